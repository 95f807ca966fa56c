"""vllm-mlx (facts: its source, version 0.6.0, and shared/reference/engines.md).

Always with continuous batching: without it concurrent requests get 503, and a client that goes away leaves the engine
busy, with empty streams after it. `--cache-memory-mb` bounds its prefix cache only; running requests hold their own KV.
"""

from __future__ import annotations

from types import MappingProxyType

from orchestrator.core import backend
from orchestrator.core.backend import Built, Can, Request
from orchestrator.core.host import Host
from orchestrator.core.launch import Process, Ready
from orchestrator.core.spec import Model, Source

MIB = 2**20
LONGEST_ANSWER = 32768
"""What it lets clients ask for by default; a smaller limit would refuse their requests with 400."""
PATIENCE = 3600
"""Seconds: its time-out for a request must not end before the gateway's (its own default is 300)."""


class VllmMlx:
    name = "vllm-mlx"
    implemented = True
    reserves: backend.Reserves = "cached"
    needs_engine = True
    uses_gpus = False
    offloads = False
    image = ""
    cpu_image = ""
    cuda_image = ""
    takes_parsers = True
    kv_dtypes = frozenset({"f16", "bf16", "q8", "q4"})
    owned_flags = MappingProxyType(
        {
            "--served-model-name": "models",
            "--host": "endpoint.listen",
            "--port": "serve.port",
            "--max-num-seqs": "serve.concurrency",
            "--continuous-batching": "serve.concurrency",
            "--max-tokens": "serve.max_tokens",
            "--max-request-tokens": "context",
            "--cache-memory-mb": "memory.kv",
            "--kv-cache-quantization": "memory.kv_dtype",
            "--kv-cache-quantization-bits": "memory.kv_dtype",
            "--enable-auto-tool-choice": "parsers.tool",
            "--tool-call-parser": "parsers.tool",
            "--reasoning-parser": "parsers.reasoning",
            "--timeout": "serve",
            "--api-key": "endpoint.keys",
            "--mllm": "capabilities",
        }
    )

    def supports(self, model: Model, source: Source, host: Host) -> str | None:
        if host.system == "macos" and host.apple is None:
            return "MLX needs Apple Silicon (or Linux)"
        if (source.file or "").endswith(".gguf") or (source.path or "").endswith(".gguf"):
            return "vllm-mlx cannot read GGUF files"
        if wrong := backend.not_files(source):
            return wrong
        wanted = set(model.capabilities or ())
        if extra := sorted(wanted - {"chat", "tools", "vision"}):
            return f"vllm-mlx does {', '.join(extra)} only beside a chat model, in the same process"
        return None

    def launch(self, request: Request) -> Built:
        assert request.max_tokens is not None
        longest = max(request.context, request.max_tokens, LONGEST_ANSWER)
        argv = [
            *(backend.executable(request), "serve", backend.weights_path(request)),
            *("--served-model-name", request.model_id),
            *("--host", "127.0.0.1", "--port", str(request.port)),
            *("--continuous-batching", "--max-num-seqs", str(request.concurrency)),
            *("--max-tokens", str(request.max_tokens), "--max-request-tokens", str(longest)),
            *("--timeout", str(PATIENCE)),
        ]
        if request.kv_bytes:
            cache = request.kv_bytes // (request.concurrency + 1)
            argv += ["--cache-memory-mb", str(max(1, cache // MIB))]
        if (dtype := request.model.memory.kv_dtype) in ("q8", "q4"):
            argv += ["--kv-cache-quantization", "--kv-cache-quantization-bits", dtype[1:]]
        if request.tools.tool_parser:
            argv += ["--enable-auto-tool-choice", "--tool-call-parser", request.tools.tool_parser]
        if request.tools.reasoning_parser:
            argv += ["--reasoning-parser", request.tools.reasoning_parser]
        if "vision" in request.capabilities:
            argv += ["--mllm"]
        argv += [*request.model.serve.extra_args, *request.model.serve.unchecked_args]
        return Built(
            how=Process(tuple(argv)),
            served_name=request.model_id,
            ready=Ready("/health", request.model.serve.start_timeout),
            env=backend.environment(request, *backend.PYTHON_ENV),
            native=("/v1/completions", "/v1/messages", "/v1/messages/count_tokens", "/v1/responses"),
        )

    def can(self, version: str, tool_parser: str) -> Can:
        auto: backend.Quality = "yes" if tool_parser else "no"
        parallel: backend.Quality = "no" if tool_parser == "gemma4" else "yes"
        return Can(
            auto=auto,
            required="prompt only",
            named="prompt only",
            parallel=parallel,
            json_schema="no",
            unload="not applicable",
        )


BACKEND = VllmMlx()
