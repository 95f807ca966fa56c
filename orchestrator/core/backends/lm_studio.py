"""LM Studio: attached (facts: its docs of April 2026 and its bug tracker; never run by us).

It loads a model when it is first asked for and unloads it after its own idle time; its context is a setting of the
model there. A named `tool_choice` is a 400 (lmstudio-bug-tracker#670), `required` holds on its llama.cpp engine only.
"""

from __future__ import annotations

from orchestrator.core.attached import External, attach, not_ours
from orchestrator.core.backend import Built, Can, Request
from orchestrator.core.host import Host
from orchestrator.core.launch import Ready
from orchestrator.core.spec import Model, Source

ADDRESS = "http://127.0.0.1:1234"
NATIVE = ("/v1/completions", "/v1/embeddings", "/v1/responses")
DOES = {"chat", "tools", "vision", "embed"}


class LmStudio(External):
    name = "lm-studio"

    def supports(self, model: Model, source: Source, host: Host) -> str | None:
        if wrong := not_ours(model):
            return wrong
        for key in ("ttl", "preload"):
            if getattr(model, key):
                return f"loads and unloads by itself: `{key}` is a setting of LM Studio (Developer, Server Settings)"
        if extra := sorted(set(model.capabilities or ()) - DOES):
            return f"LM Studio cannot do {', '.join(extra)}"
        return None

    def launch(self, request: Request) -> Built:
        return Built(
            how=attach(request.source, ADDRESS),
            served_name=request.source.model or request.model_id,
            ready=Ready("/api/v0/models", request.model.serve.start_timeout),
            native=NATIVE,
            notes=_notes(request.model.context),
        )

    def can(self, version: str, tool_parser: str) -> Can:
        return Can(named="no", unload="not applicable")


def _notes(context: int | None) -> tuple[str, ...]:
    if context is None:
        return ()
    return (
        f"LM Studio is not told of `context: {context}`: it is a setting of the model there; `up` checks what it is",
    )


BACKEND = LmStudio()
