"""vLLM, as a process (`vllm serve`) or in its container (facts: its --help and source, version 0.32.0).

`--kv-cache-memory-bytes` is what one GPU holds; without it vLLM takes 0.92 of the whole GPU, whatever else is there. On
a CPU VLLM_CPU_KVCACHE_SPACE, whole GiB, overrules that flag: it is set only for versions that we did not check.
`required` and named tool choices are enforced for the parsers that have a grammar; the others ignore them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.core import backend
from orchestrator.core.backend import Built, Can, Request
from orchestrator.core.host import Host
from orchestrator.core.launch import Container, How, Process, Ready
from orchestrator.core.memory import GIB, PAGED_BATCH, WORK
from orchestrator.core.spec import Model, Source

PORT_INSIDE = 8000
CACHE_VOLUME = "stack-vllm-cache"
"""Compiled graphs and kernels, minutes of work: a volume, for the container's root must not write into a home."""
CACHE_INSIDE = "/root/.cache/vllm"
SHM_SIZE = 16 * GIB
"""At most, of a container's /dev/shm, where NCCL and the workers talk (docker's own 64 MiB is too little for that)."""
KV_DTYPES = {"f16": "float16", "bf16": "bfloat16", "fp8": "fp8"}
CHECKED = (0, 32)
"""The version that all this was seen on."""
SINCE = {
    "--kv-cache-memory-bytes": (0, 11),
    "--exclude-tools-when-tool-choice-none": (0, 10),
    "--enable-prompt-tokens-details": (0, 7),
    "--runner": (0, 11),
}
"""Where an engine's flags are not known: the first version whose documentation has this one."""
UUIDS = (0, 27)
"""Before it vLLM reads CUDA_VISIBLE_DEVICES as numbers only (vllm-project/vllm issue 41848, pull request 45026)."""
ONE_QWEN_PARSER = (0, 27)
"""Before mid-2026 qwen3_coder was another parser than qwen3_xml and lost streamed calls (pull request 45413)."""
NO_GRAMMAR = frozenset({"dots", "gemma4", "inkling", "k2_horizon", "minimax_m3", "muse_glimmer", "poolside_v1"})
"""Parsers of 0.32.0 under which `required` and named choices are as `auto` (supports_required_and_named without a
structural_tag_model)."""
NO_GRAMMAR_BEFORE = NO_GRAMMAR | frozenset({"qwen3_coder", "qwen3_xml", "step3p5"})
"""The same of 0.28 (vllm-project/vllm issues 54808, 50477, 49712, 51804)."""
TASKS = {"embed", "rerank"}


OWNED = backend.owned(
    {
        "sources": "--model",
        "models": "--served-model-name",
        "endpoint.listen": "--host --uds",
        "serve.port": "--port",
        "context": "--max-model-len",
        "serve.concurrency": "--max-num-seqs",
        "memory.kv": "--kv-cache-memory-bytes --gpu-memory-utilization --device-memory-utilization",
        "memory.kv_dtype": "--kv-cache-dtype",
        "tensor_parallel": "--tensor-parallel-size -tp",
        "parsers.tool": "--enable-auto-tool-choice --no-enable-auto-tool-choice --tool-call-parser",
        "parsers.reasoning": "--reasoning-parser",
        "sources.vllm.chat_template": "--chat-template",
        "residency": "--enable-sleep-mode --no-enable-sleep-mode",
        "endpoint.keys": "--api-key",
    }
)


class Vllm:
    name = "vllm"
    implemented = True
    reserves: backend.Reserves = "paged"
    needs_engine = True
    uses_gpus = True
    offloads = False
    image = "vllm/vllm-openai:v0.32.0"
    cpu_image = ""
    cuda_image = ""
    takes_parsers = True
    kv_dtypes = frozenset(KV_DTYPES)
    owned_flags = OWNED

    def supports(self, model: Model, source: Source, host: Host) -> str | None:
        if host.system != "linux":
            return "vLLM runs on Linux (on a Mac use vllm-mlx)"
        if (source.file or source.path or "").endswith(".gguf"):
            return "vLLM is not run with GGUF files here: llama-cpp is"
        if wrong := backend.not_files(source, "chat_template"):
            return wrong
        if source.file is not None:
            return "has no use for file: vLLM reads a whole repository"
        if model.residency == "sleep" and not host.gpus:
            return "vLLM's sleep mode needs a GPU"
        if not host.gpus and model.memory.kv_dtype in ("f16", "bf16"):
            return f"on a CPU vLLM's KV cache is of the model's own numbers or fp8, not {model.memory.kv_dtype}"
        wanted = set(model.capabilities or ())
        if extra := sorted(wanted - {"chat", "tools", "vision", *TASKS}):
            return f"vLLM is not used for {', '.join(extra)} here"
        if len(wanted) > 1 and wanted & TASKS:
            return f"vLLM does {' and '.join(sorted(wanted & TASKS))} only in a process of its own"
        return None

    def launch(self, request: Request) -> Built:
        port = PORT_INSIDE if request.image else request.port
        argv = [
            backend.weights_path(request),
            *("--served-model-name", request.model_id),
            *("--host", "0.0.0.0" if request.image else "127.0.0.1", "--port", str(port)),
            *("--max-model-len", str(request.context), "--max-num-seqs", str(request.concurrency)),
            *_memory(request),
            *_talk(request),
        ]
        if request.source.chat_template:
            argv += ["--chat-template", request.source.chat_template]
        if request.model.residency == "sleep":
            argv += ["--enable-sleep-mode"]
        if not request.gpus and not _says(request, "--no-enforce-eager"):
            argv += ["--enforce-eager"]  # compiling for a CPU takes minutes and a C++ compiler
        argv += [*request.model.serve.extra_args, *request.model.serve.unchecked_args]
        return Built(
            how=_how(request, tuple(argv)),
            served_name=request.model_id,
            ready=Ready("/health", request.model.serve.start_timeout),
            env=backend.environment(request, *_env(request)),
            native=_native(request),
            limits=("/v1/completions",),  # 16 tokens unless a request says a number; elsewhere what the context leaves
            sleeps=request.model.residency == "sleep",
            notes=tuple(_notes(request)),
        )

    def can(self, version: str, tool_parser: str) -> Can:
        known = parsed(version)
        free = NO_GRAMMAR_BEFORE if known and known < (0, 29) else NO_GRAMMAR
        forced: backend.Quality = "ignored" if tool_parser in free else "yes"
        auto: backend.Quality = "yes" if tool_parser else "no"
        return Can(auto=auto, required=forced, named=forced)


def parsed(version: str) -> tuple[int, ...]:
    """`0.32.0+cpu` -> (0, 32, 0); () where it is not known (a digest, a nightly build)."""
    hit = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in hit.groups()) if hit else ()


def _version(request: Request) -> tuple[int, ...]:
    return parsed(request.engine.version if request.engine else "")


def _has(request: Request, flag: str) -> bool:
    """By the engine's own list, else by its version; an unknown one counts as new."""
    if request.engine is not None and request.engine.flags:
        return flag in request.engine.flags
    version = _version(request)
    return not version or version >= SINCE[flag]


def _says(request: Request, flag: str) -> bool:
    serve = request.model.serve
    return flag in (*serve.extra_args, *serve.unchecked_args)


def _memory(request: Request) -> list[str]:
    """What the plan reserved, of one GPU: KV and weights are divided over them evenly."""
    argv = []
    count = max(1, len(request.gpus))
    share = -(-request.kv_bytes // count)
    if share and _has(request, "--kv-cache-memory-bytes"):
        argv += ["--kv-cache-memory-bytes", str(share)]
    else:
        # an older version, or weights that were only declared: then all that was declared is one sum
        whole = min((gpu.memory for gpu in request.gpus), default=request.host.memory)
        used = (-(-_weights(request) // count) + share + WORK) / whole
        argv += ["--gpu-memory-utilization", f"{min(used, 1.0):.4f}"]
    if count > 1:
        argv += ["--tensor-parallel-size", str(count)]
    if dtype := KV_DTYPES.get(request.model.memory.kv_dtype or ""):
        argv += ["--kv-cache-dtype", dtype]
    windows = request.weights is not None and any(group.window for group in request.weights.kv)
    if windows and not _says(request, "--max-num-batched-tokens"):
        argv += ["--max-num-batched-tokens", str(max(PAGED_BATCH, request.concurrency))]
    return argv


def _weights(request: Request) -> int:
    memory = request.model.memory
    if memory.weights is not None:
        return memory.weights
    if request.weights is not None:
        return request.weights.size
    return (memory.host or 0) + sum(memory.gpu.values())


def _talk(request: Request) -> list[str]:
    if TASKS & {*request.capabilities}:
        return ["--runner", "pooling"] if _has(request, "--runner") else []
    argv = []
    if _has(request, "--enable-prompt-tokens-details"):
        argv += ["--enable-prompt-tokens-details"]  # how much of a prompt was cached: the probe reads it
    if parser := request.tools.tool_parser:
        argv += ["--enable-auto-tool-choice", "--tool-call-parser", parser]
        if _has(request, "--exclude-tools-when-tool-choice-none"):
            argv += ["--exclude-tools-when-tool-choice-none"]
    if request.tools.reasoning_parser:
        argv += ["--reasoning-parser", request.tools.reasoning_parser]
    return argv


def _how(request: Request, argv: tuple[str, ...]) -> How:
    if not request.image:
        return Process((backend.executable(request), "serve", *argv))
    mounts = [backend.mount(request.weights.path)] if request.weights and request.weights.path else []
    if template := request.source.chat_template:
        mounts.append((template, template, "ro"))
    return Container(
        image=request.image,
        entrypoint=("vllm", "serve"),  # up to v0.11 the image's own was the API server, which takes no model's path
        argv=argv,
        port=PORT_INSIDE,
        mounts=(*dict.fromkeys(mounts), (CACHE_VOLUME, CACHE_INSIDE, "rw")),
        gpus=tuple(gpu.uuid for gpu in request.gpus),
        shm_size=SHM_SIZE,
    )


def _env(request: Request) -> list[tuple[str, str]]:
    env = [*backend.PYTHON_ENV, ("VLLM_NO_USAGE_STATS", "1"), ("DO_NOT_TRACK", "1")]
    if request.model.residency == "sleep":
        env.append(("VLLM_SERVER_DEV_MODE", "1"))  # /sleep and /wake_up are only there
    if request.gpus and not request.image:
        env += _visible(request)
    if not request.gpus:
        # a core is left to the gateway; bound to cores, two engines would sit on the same ones
        env += [("VLLM_CPU_OMP_THREADS_BIND", "nobind"), ("OMP_NUM_THREADS", str(max(1, request.host.cores - 1)))]
        if _counts_gib(request):
            env.append(("VLLM_CPU_KVCACHE_SPACE", str(-(-request.kv_bytes // GIB))))
    return env


def _visible(request: Request) -> list[tuple[str, str]]:
    """A MIG instance has no number, so that an old vLLM cannot be told of it; a container sees its own GPUs alone."""
    known = _version(request)
    if known and known < UUIDS and not any(gpu.mig for gpu in request.gpus):
        numbers = ",".join(str(gpu.index) for gpu in request.gpus)
        return [("CUDA_DEVICE_ORDER", "PCI_BUS_ID"), ("CUDA_VISIBLE_DEVICES", numbers)]
    return [("CUDA_VISIBLE_DEVICES", ",".join(gpu.uuid for gpu in request.gpus))]


def _counts_gib(request: Request) -> bool:
    known = _version(request)
    return bool(known and known < CHECKED and request.kv_bytes and not request.gpus)


def _notes(request: Request) -> Iterator[str]:
    known = _version(request)
    if _counts_gib(request):
        yield "this vLLM counts its KV cache on a CPU in whole GiB, and may take more than is planned"
    if request.gpus and not (request.kv_bytes and _has(request, "--kv-cache-memory-bytes")):
        yield "vLLM is told a share of the GPU, not bytes: its KV cache is what weights and work leave of that share"
    if known and known < ONE_QWEN_PARSER and request.tools.tool_parser == "qwen3_coder":
        yield "in this vLLM the parser qwen3_coder may lose streamed calls: qwen3_xml reads the same format"
    if known and known < UUIDS and any(gpu.mig for gpu in request.gpus) and not request.image:
        yield "this vLLM cannot be told of a MIG instance: it needs 0.27, or its container image"


def _native(request: Request) -> tuple[str, ...]:
    if "embed" in request.capabilities:
        return ("/v1/embeddings",)
    if "rerank" in request.capabilities:
        return ("/v1/rerank",)
    known = _version(request)
    new = not known or known >= CHECKED
    messages = ("/v1/messages", "/v1/messages/count_tokens") if new else ()
    return ("/v1/completions", *messages, "/v1/responses")


BACKEND = Vllm()
