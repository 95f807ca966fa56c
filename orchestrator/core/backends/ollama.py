"""Ollama: attached, models by their tag (facts: its docs and source of August 2026, v0.32; never run by us).

Its OpenAI API drops `tool_choice` (ollama#17921) and takes neither num_ctx nor keep_alive, so the context is what a
Modelfile or OLLAMA_CONTEXT_LENGTH says and a longer prompt is cut without a word. How long a model stays loaded is set
by its own API (core/ollama_api.py), and that stays with the loaded model.
"""

from __future__ import annotations

from orchestrator.core.attached import External, attach, not_ours
from orchestrator.core.backend import Built, Can, Request
from orchestrator.core.host import Host
from orchestrator.core.launch import Ready
from orchestrator.core.spec import Model, Source

ADDRESS = "http://127.0.0.1:11434"
NATIVE = ("/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/responses")
DOES = {"chat", "tools", "vision", "embed"}


class Ollama(External):
    name = "ollama"

    def supports(self, model: Model, source: Source, host: Host) -> str | None:
        if model.memory.kv_dtype:
            return "has one kind of KV cache for all models: set OLLAMA_KV_CACHE_TYPE where it is started"
        if wrong := not_ours(model):
            return wrong
        if extra := sorted(set(model.capabilities or ()) - DOES):
            return f"Ollama cannot do {', '.join(extra)}"
        return None

    def launch(self, request: Request) -> Built:
        assert request.source.tag is not None
        return Built(
            how=attach(request.source, ADDRESS),
            served_name=request.source.tag,
            ready=Ready("/api/version", request.model.serve.start_timeout),
            native=NATIVE,
            notes=(_context(request),),
        )

    def can(self, version: str, tool_parser: str) -> Can:
        return Can(required="ignored", named="ignored", unload="real")


def _context(request: Request) -> str:
    where = "num_ctx in a Modelfile, or OLLAMA_CONTEXT_LENGTH"
    if tokens := request.model.context:
        return (
            f"Ollama is not told of `context: {tokens}`, its OpenAI API takes none: set {where}={tokens}; "
            "`up` checks what it is"
        )
    return (
        f"Ollama decides the context ({where}; 4096 on a small GPU) and cuts longer prompts without a word: "
        "declare `context`, and `up` checks it"
    )


BACKEND = Ollama()
