"""llama.cpp's server, `llama-server` (facts: its --help and source, and shared/reference/engines.md).

`-c` is the context of all slots together: it is divided by `-np`, so `context` x slots is rendered. `--cache-ram` is a
prompt cache in host memory of 8 GiB unless told otherwise, beyond what the plan reserves: off. The tool parser is found
from the template. It serves any model name.
"""

from __future__ import annotations

from typing import Literal

from orchestrator.core import backend
from orchestrator.core.backend import Built, Can, Request
from orchestrator.core.host import Host
from orchestrator.core.launch import Container, Process, Ready
from orchestrator.core.memory import KV_BYTES, per_context
from orchestrator.core.spec import Model, Source

CACHE_TYPES = {"f16": "f16", "bf16": "bf16", "q8": "q8_0", "q4": "q4_0"}
MODES = {"embed": "--embedding", "rerank": "--reranking"}
"""Flags that restrict the server to one capability."""
ALL_LAYERS = "999"
MIB = 2**20
PORT = 8080
"""Inside a container."""
CPU_IMAGE = "ghcr.io/ggml-org/llama.cpp:server-b11206"
CUDA_IMAGE = "ghcr.io/ggml-org/llama.cpp:server-cuda-b11206"
"""For CUDA 12. Not every build of llama.cpp has its images: this one has both."""


OWNED = backend.owned(
    {
        "sources": "-m --model -hf -hfr --hf-repo -hff --hf-file -mu --model-url",
        "models": "-a --alias",
        "endpoint.listen": "--host",
        "serve.port": "--port",
        "context": "-c --ctx-size",
        "serve.concurrency": "-np --parallel -kvu --kv-unified -no-kvu --no-kv-unified",
        "memory.kv_dtype": "-ctk --cache-type-k -ctv --cache-type-v",
        "serve.max_tokens": "-n --predict --n-predict",
        "sources.llama-cpp.mmproj": "-mm --mmproj",
        "sources.llama-cpp.draft": "-md --model-draft --spec-draft-model",
        "sources.llama-cpp.chat_template": "--chat-template --chat-template-file --jinja --no-jinja",
        "capabilities": "--embedding --embeddings --rerank --reranking",
        "endpoint.keys": "--api-key --api-key-file",
    }
)


class LlamaCpp:
    name = "llama-cpp"
    implemented = True
    reserves: backend.Reserves = "slots"
    needs_engine = True
    uses_gpus = True
    offloads = True
    image = ""
    cpu_image = CPU_IMAGE
    cuda_image = CUDA_IMAGE
    takes_parsers = False
    kv_dtypes = frozenset(CACHE_TYPES)
    owned_flags = OWNED

    def supports(self, model: Model, source: Source, host: Host) -> str | None:
        if wrong := backend.not_files(source, "mmproj", "draft", "chat_template"):
            return wrong
        name = source.file or source.path or ""
        if source.repo and not source.file:
            return "needs `file`: which GGUF of the repository"
        if not name.lower().endswith(".gguf"):
            return "llama-server reads GGUF files only"
        wanted = set(model.capabilities or ())
        if extra := sorted(wanted - {"chat", "tools", "vision", *MODES}):
            return f"llama-server cannot do {', '.join(extra)}"
        if len(wanted) > 1 and wanted & set(MODES):
            return f"llama-server does {' and '.join(sorted(wanted & set(MODES)))} only in a process of its own"
        if "vision" in wanted and not source.mmproj:
            return "needs `mmproj`, the vision projector"
        return None

    def launch(self, request: Request) -> Built:
        source, model = request.source, request.model
        total = _shared(request)
        inside = bool(request.image)  # a container listens on all its own addresses, docker publishes loopback's
        argv = [
            *("-m", backend.weights_path(request), "-a", request.model_id),
            *("--host", "0.0.0.0" if inside else "127.0.0.1", "--port", str(PORT if inside else request.port)),
            *("--jinja", "--metrics"),
            *("-c", str(total or request.context * request.concurrency), "-np", str(request.concurrency)),
        ]
        if total:
            argv += ["--kv-unified"]
        argv += _where(request)
        if not {"-t", "--threads"} & {*model.serve.extra_args, *model.serve.unchecked_args}:
            argv += _threads(request.host)
        known = request.engine.flags if request.engine else ()
        has_cache = "--cache-ram" in known or request.image in (CPU_IMAGE, CUDA_IMAGE)
        if has_cache and "--cache-ram" not in model.serve.extra_args:
            argv += ["--cache-ram", "0"]
        if model.serve.max_tokens:
            argv += ["-n", str(model.serve.max_tokens)]
        if kind := CACHE_TYPES.get(model.memory.kv_dtype or ""):
            argv += ["--cache-type-k", kind, "--cache-type-v", kind]
        if source.mmproj:
            argv += ["--mmproj", backend.beside(request, source.mmproj)]
        if source.draft:
            argv += ["-md", backend.beside(request, source.draft)]
        if source.chat_template:
            argv += ["--chat-template-file", source.chat_template]
        argv += [MODES[capability] for capability in request.capabilities if capability in MODES]
        argv += [*model.serve.extra_args, *model.serve.unchecked_args]
        return Built(
            how=_contained(request, argv) if inside else Process((backend.executable(request), *argv)),
            served_name=request.model_id,
            ready=Ready("/health", model.serve.start_timeout),
            env=backend.environment(request, *([] if inside else _visible(request))),
            native=_native(request),
        )

    def can(self, version: str, tool_parser: str) -> Can:
        return Can(named="ignored", unload="not applicable")


def _contained(request: Request, argv: list[str]) -> Container:
    """The images of llama.cpp (`ghcr.io/ggml-org/llama.cpp:server-*`) have llama-server as entry point."""
    paths = [backend.weights_path(request), request.source.chat_template or ""]
    paths += [backend.beside(request, name) for name in (request.source.mmproj, request.source.draft) if name]
    mounts = dict.fromkeys(_mounted(path) for path in paths if path)
    gpus = tuple(gpu.uuid for gpu in request.gpus) if request.gpu_layers != 0 else ()
    return Container(request.image, tuple(argv), PORT, tuple(mounts), gpus)


def _mounted(path: str) -> tuple[str, str, Literal["ro"]]:
    return backend.mount(path) if path.lower().endswith(".gguf") else (path, path, "ro")


def _shared(request: Request) -> int:
    """Tokens of a KV cache that all slots share: when `memory.kv` holds fewer than `context` for each; else 0."""
    if request.model.memory.kv is None or request.weights is None or not request.weights.kv:
        return 0
    per_value = KV_BYTES[request.model.memory.kv_dtype]
    one = per_context(request.weights, request.context, per_value)
    if one * request.concurrency <= request.kv_bytes:
        return 0
    return request.context * request.kv_bytes // one


def _where(request: Request) -> list[str]:
    """Weights and KV go where the plan counts them. A device that is named and not there is an error of llama-server;
    unnamed, a build without CUDA would run on the CPU and say nothing."""
    if request.host.apple:
        return ["-ngl", ALL_LAYERS]
    layers = request.gpu_layers
    if not request.gpus or layers == 0:
        return ["--device", "none"] if request.host.gpus else []
    devices = ",".join(f"CUDA{i}" for i in range(len(request.gpus)))
    argv = ["--device", devices, "-ngl", ALL_LAYERS if layers is None else str(layers)]
    return [*argv, "--split-mode", "layer", "--tensor-split", _shares(request)] if len(request.gpus) > 1 else argv


def _shares(request: Request) -> str:
    """Of the layers, by GPU: as `memory.gpu` divides them where host memory takes the rest, else evenly."""
    declared = request.model.memory.gpu
    even = request.gpu_layers is None
    return ",".join("1" if even else str(declared[gpu.index] // MIB) for gpu in request.gpus)


def _visible(request: Request) -> list[tuple[str, str]]:
    """CUDA counts what it is shown from 0, in this order (CUDA's environment variables, CUDA_VISIBLE_DEVICES)."""
    return [("CUDA_VISIBLE_DEVICES", ",".join(gpu.uuid for gpu in request.gpus))] if request.gpus else []


def _threads(host: Host) -> list[str]:
    """One core is left to the gateway: llama.cpp's threads wait for each other by spinning, so that a single one that
    must share its core slows all of them down (2 cores, busy: 1 token/s on two threads)."""
    return [] if host.apple or host.gpus else ["-t", str(max(1, host.cores - 1))]


def _native(request: Request) -> tuple[str, ...]:
    if "embed" in request.capabilities:
        return ("/v1/embeddings",)
    if "rerank" in request.capabilities:
        return ("/v1/rerank",)
    return ("/v1/completions", "/v1/messages", "/v1/messages/count_tokens", "/v1/responses")


BACKEND = LlamaCpp()
