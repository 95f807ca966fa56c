"""Any server with an OpenAI-compatible API that somebody else runs: attached, never started or stopped by us."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from orchestrator.core import backend
from orchestrator.core.backend import Built, Can, Request
from orchestrator.core.host import Host
from orchestrator.core.launch import Attach, Ready
from orchestrator.core.spec import Model, Source


class OpenAI:
    name = "openai"
    implemented = True
    reserves: backend.Reserves = "external"
    needs_engine = False
    uses_gpus = False
    offloads = False
    image = ""
    takes_parsers = False
    kv_dtypes = frozenset({"f16", "bf16", "q8", "q4", "fp8"})
    owned_flags = MappingProxyType[str, str]({})

    def supports(self, model: Model, source: Source, host: Host) -> str | None:
        if source.url is None:
            return "needs `url`, the API root of the server"
        if model.serve.extra_args or model.serve.unchecked_args:
            return "is not started by us: it takes no extra_args"
        return None

    def launch(self, request: Request) -> Built:
        source = request.source
        assert source.url is not None
        url = source.url.rstrip("/")
        root = url.split("://", 1)[1].partition("/")[2]
        key: tuple[Literal["env", "file"], str] | None = None
        if source.key is not None:
            key = ("env", source.key.env) if source.key.env else ("file", source.key.file or "")
        return Built(
            how=Attach(url, key),
            served_name=source.model or request.model_id,
            ready=Ready(f"/{root}/models" if root else "/models", request.model.serve.start_timeout),
            native=("/v1/completions", "/v1/embeddings", "/v1/responses"),
        )

    def can(self, version: str, tool_parser: str) -> Can:
        return Can(unload="not applicable")


BACKEND = OpenAI()
