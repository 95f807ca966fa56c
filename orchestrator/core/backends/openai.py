"""Any server with an OpenAI-compatible API that somebody else runs: attached, never started or stopped by us."""

from __future__ import annotations

from orchestrator.core.attached import External, key_of, not_ours
from orchestrator.core.backend import Built, Can, Request
from orchestrator.core.host import Host
from orchestrator.core.launch import Attach, Ready
from orchestrator.core.spec import Model, Source


class OpenAI(External):
    name = "openai"

    def supports(self, model: Model, source: Source, host: Host) -> str | None:
        if source.url is None:
            return "needs `url`, the API root of the server"
        if wrong := not_ours(model):
            return wrong
        for key in ("ttl", "preload"):
            if getattr(model, key):
                return f"is not started by us, and its API loads and unloads nothing: `{key}` has no meaning there"
        return None

    def launch(self, request: Request) -> Built:
        source = request.source
        assert source.url is not None
        url = source.url.rstrip("/")
        root = url.split("://", 1)[1].partition("/")[2]
        return Built(
            how=Attach(url, key_of(source)),
            served_name=source.model or request.model_id,
            ready=Ready(f"/{root}/models" if root else "/models", request.model.serve.start_timeout),
            native=("/v1/completions", "/v1/embeddings", "/v1/responses"),
        )

    def can(self, version: str, tool_parser: str) -> Can:
        return Can(unload="not applicable")


BACKEND = OpenAI()
