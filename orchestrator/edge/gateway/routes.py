"""The paths of the endpoint."""

from __future__ import annotations

import re

from orchestrator.edge.gateway.answer import Dialect

PROXIED: dict[str, Dialect] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
    "/v1/messages": "messages",
    "/v1/messages/count_tokens": "messages",
    "/v1/responses": "responses",
    "/v1/rerank": "other",
    "/rerank": "other",
    "/v1/audio/speech": "other",
    "/v1/audio/transcriptions": "other",
    "/v1/audio/translations": "other",
}
FORMS = frozenset(("/v1/audio/transcriptions", "/v1/audio/translations"))
"""Taken as multipart/form-data; all others are JSON."""
_NEEDS = {
    "/v1/embeddings": "embed",
    "/v1/rerank": "rerank",
    "/rerank": "rerank",
    "/v1/audio/speech": "speak",
    "/v1/audio/transcriptions": "transcribe",
    "/v1/audio/translations": "transcribe",
}
NEEDS = {path: _NEEDS.get(path, "chat") for path in PROXIED}
"""The capability that a model must have to be asked there."""
NATIVE = frozenset(("/v1/messages", "/v1/messages/count_tokens", "/v1/responses"))
"""Passed on only where the launch names them (`Launch.native`)."""
OPEN = frozenset(("/healthz", "/readyz"))
"""Asked without a key. /readyz then says only yes or no."""
READS = re.compile(r"/healthz|/readyz|/metrics|/v1/models(/.+)?")
MODEL = "/v1/models/"


def label(path: str) -> str:
    """The route as a metric's label: only what we serve, so that no client can make labels up."""
    if path.startswith(MODEL):
        return "/v1/models/{id}"
    return path if path in PROXIED or READS.fullmatch(path) else "other"
