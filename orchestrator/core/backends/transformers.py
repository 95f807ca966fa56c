"""`transformers serve` (facts: its source, version 5.23.0, and shared/reference/engines.md).

It answers to the name it was started with alone, its weights' path, and lists no models. Without a limit in the request
it stops after 1024 tokens: the gateway sets one. It has no flag for its KV cache: the plan counts it, and nothing but
the context and the supervisor's concurrency bounds it. Streams end without `[DONE]`.
"""

from __future__ import annotations

from types import MappingProxyType

from orchestrator.core import backend
from orchestrator.core.backend import Built, Can, Request
from orchestrator.core.host import Host
from orchestrator.core.launch import Process, Ready
from orchestrator.core.spec import Model, Source


class Transformers:
    name = "transformers"
    implemented = True
    reserves: backend.Reserves = "unbounded"
    needs_engine = True
    uses_gpus = True
    offloads = False
    image = ""
    cpu_image = ""
    cuda_image = ""
    takes_parsers = False
    kv_dtypes = frozenset({"f16", "bf16"})
    owned_flags = MappingProxyType({"--host": "endpoint.listen", "--port": "serve.port", "--device": "gpus"})

    def supports(self, model: Model, source: Source, host: Host) -> str | None:
        if (source.file or source.path or "").endswith(".gguf"):
            return "transformers is not run with GGUF files here: llama-cpp is"
        if wrong := backend.not_files(source):
            return wrong
        if (model.tensor_parallel or 1) > 1 or len(model.gpus or ()) > 1:
            return "transformers serve runs on one GPU"
        if extra := sorted(set(model.capabilities or ()) - {"chat", "tools", "vision"}):
            return f"transformers serve is not used for {', '.join(extra)} here"
        return None

    def launch(self, request: Request) -> Built:
        path = backend.weights_path(request)
        serve = request.model.serve
        argv = [
            *(backend.executable(request), "serve", path),
            *("--host", "127.0.0.1", "--port", str(request.port), "--device", _device(request)),
            *(*serve.extra_args, *serve.unchecked_args),
        ]
        return Built(
            how=Process(tuple(argv)),
            served_name=path,
            ready=Ready("/health", serve.start_timeout),
            env=backend.environment(request, *backend.PYTHON_ENV, *_own_env(request)),
            native=("/v1/completions", "/v1/responses"),
            limits=backend.ANSWERS,
            notes=_notes(request),
        )

    def can(self, version: str, tool_parser: str) -> Can:
        return Can(required="ignored", named="ignored", json_schema="ignored", unload="not applicable")


def _device(request: Request) -> str:
    if request.host.apple:
        return "mps"
    return "cuda:0" if request.gpus else "cpu"


def _own_env(request: Request) -> list[tuple[str, str]]:
    """Its GPUs; on a CPU a core is left to the gateway, for torch's threads wait for each other by spinning."""
    if request.gpus:
        return [("CUDA_VISIBLE_DEVICES", ",".join(gpu.uuid for gpu in request.gpus))]
    return [] if request.host.apple else [("OMP_NUM_THREADS", str(max(1, request.host.cores - 1)))]


def _notes(request: Request) -> tuple[str, ...]:
    notes = []
    if "tools" in request.capabilities:
        notes.append("transformers serve ends its streams without [DONE], so that its tool path fails the probe")
    if len(request.gpus) > 1:
        notes.append("transformers serve uses the first of its GPUs alone")
    return tuple(notes)


BACKEND = Transformers()
