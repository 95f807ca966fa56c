"""Any server at all: the user's own argv, health path and stop command. We give the port and nothing else.

It must stay in the foreground (the supervisor watches the process that it started) and speak OpenAI's API. What it
takes of memory is what `memory` declares.
"""

from __future__ import annotations

import shlex
from types import MappingProxyType

from orchestrator.core import backend
from orchestrator.core.backend import Built, Can, Request
from orchestrator.core.host import Host
from orchestrator.core.launch import Process, Ready
from orchestrator.core.spec import Model, Source

PORT = "${PORT}"
CHECK = "/v1/models"
"""What every OpenAI server answers; `check` names another."""
NATIVE = ("/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/messages/count_tokens", "/v1/responses")


class Command:
    name = "command"
    implemented = True
    reserves: backend.Reserves = "slots"
    needs_engine = False
    uses_gpus = False
    offloads = True
    image = ""
    cpu_image = ""
    cuda_image = ""
    takes_parsers = False
    kv_dtypes = frozenset[str]()
    owned_flags = MappingProxyType[str, str]({})

    def supports(self, model: Model, source: Source, host: Host) -> str | None:
        if model.memory.kv_dtype:
            return "has its KV cache from `cmd`: it takes no memory.kv_dtype"
        if {model.parsers.tool, model.parsers.reasoning} - {"auto", "none"}:
            return "has its parsers from `cmd`: it takes no `parsers`"
        for key in ("extra_args", "unchecked_args"):
            if getattr(model.serve, key):
                return f"has its arguments in `cmd`: it takes no serve.{key}"
        told = [*(source.cmd or ()), *source.env.values(), *model.serve.env.values()]
        if model.serve.port is None and not any(PORT in text for text in told):
            return f"is not told its port: write {PORT} into `cmd`, or set serve.port to the one that it listens on"
        return None

    def launch(self, request: Request) -> Built:
        source = request.source
        own = backend.environment(request, *_visible(request), *source.env.items())
        return Built(
            how=Process(_ported(request, source.cmd or ()), stop=_ported(request, stop_argv(source))),
            served_name=source.model or request.model_id,
            ready=Ready(source.check or CHECK, request.model.serve.start_timeout),
            env=tuple(zip((name for name, _ in own), _ported(request, [value for _, value in own]), strict=True)),
            native=NATIVE if {"chat", "tools"} & set(request.capabilities) else (),
        )

    def can(self, version: str, tool_parser: str) -> Can:
        return Can(unload="not applicable")


def stop_argv(source: Source) -> tuple[str, ...]:
    """`stop` as argv: a text is split like a shell's words."""
    return tuple(shlex.split(source.stop)) if isinstance(source.stop, str) else source.stop or ()


def _ported(request: Request, words: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(text.replace(PORT, str(request.port)) for text in words)


def _visible(request: Request) -> tuple[tuple[str, str], ...]:
    """The GPUs that the plan gave it, where it is on any."""
    if not request.gpus:
        return ()
    return (("CUDA_VISIBLE_DEVICES", ",".join(gpu.uuid for gpu in request.gpus)),)


BACKEND = Command()
