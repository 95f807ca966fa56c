"""rapid-mlx, a relative of vllm-mlx with parsers of its own (facts: its --help and source, version 0.16.10).

Parser names are not vllm-mlx's: `qwen3_coder` is hermes, `gpt_oss` is Seed-OSS. It constrains tool calls with a kernel
that only Metal has: elsewhere a request with tools is a 502 unless RAPID_MLX_CONSTRAIN_TOOLS=0. `--cache-memory-mb`
bounds its prefix cache only; running requests hold their own KV. `/health` is 200 before the model is warm.
"""

from __future__ import annotations

from types import MappingProxyType

from orchestrator.core import backend
from orchestrator.core.backend import Built, Can, Request
from orchestrator.core.host import Host
from orchestrator.core.launch import Process, Ready
from orchestrator.core.spec import Model, Source

MIB = 2**20
KV_DTYPES = {"bf16": "bf16", "q8": "int8", "q4": "int4"}
PATIENCE = 3600
"""Seconds: its time-out for a request must not end before the gateway's (its own default is 1800)."""
QUIET = (("RAPID_MLX_TELEMETRY", "0"), ("RAPID_MLX_DISABLE_VERSION_CHECK", "1"))
"""It would report its use and look for a newer version."""


class RapidMlx:
    name = "rapid-mlx"
    implemented = True
    reserves: backend.Reserves = "cached"
    needs_engine = True
    uses_gpus = False
    offloads = False
    image = ""
    cpu_image = ""
    cuda_image = ""
    takes_parsers = True
    kv_dtypes = frozenset(KV_DTYPES)
    owned_flags = MappingProxyType(
        {
            "--served-model-name": "models",
            "--host": "endpoint.listen",
            "--port": "serve.port",
            "--listen-fd": "serve.port",
            "--max-num-seqs": "serve.concurrency",
            "--max-tokens": "serve.max_tokens",
            "--context-length": "context",
            "--cache-memory-mb": "memory.kv",
            "--cache-memory-percent": "memory.kv",
            "--kv-cache-dtype": "memory.kv_dtype",
            "--kv-cache-quantization": "memory.kv_dtype",
            "--kv-cache-quantization-bits": "memory.kv_dtype",
            "--enable-auto-tool-choice": "parsers.tool",
            "--tool-call-parser": "parsers.tool",
            "--no-tool-call-parser": "parsers.tool",
            "--reasoning-parser": "parsers.reasoning",
            "--no-reasoning-parser": "parsers.reasoning",
            "--timeout": "serve",
            "--api-key": "endpoint.keys",
            "--mllm": "capabilities",
            "--no-mllm": "capabilities",
            "--text-only": "capabilities",
        }
    )

    def supports(self, model: Model, source: Source, host: Host) -> str | None:
        if host.system == "macos" and host.apple is None:
            return "MLX needs Apple Silicon (or Linux)"
        if (source.file or source.path or "").endswith(".gguf"):
            return "rapid-mlx cannot read GGUF files"
        if wrong := backend.not_files(source):
            return wrong
        if extra := sorted(set(model.capabilities or ()) - {"chat", "tools", "vision"}):
            return f"rapid-mlx is not used for {', '.join(extra)} here"
        return None

    def launch(self, request: Request) -> Built:
        assert request.max_tokens is not None
        argv = [
            *(backend.executable(request), "serve", backend.weights_path(request)),
            *("--served-model-name", request.model_id),
            *("--host", "127.0.0.1", "--port", str(request.port)),
            *("--max-num-seqs", str(request.concurrency), "--context-length", str(request.context)),
            *("--max-tokens", str(request.max_tokens), "--timeout", str(PATIENCE)),
        ]
        if request.kv_bytes:
            cache = request.kv_bytes // (request.concurrency + 1)
            argv += ["--cache-memory-mb", str(max(1, cache // MIB))]
        if dtype := KV_DTYPES.get(request.model.memory.kv_dtype or ""):
            argv += ["--kv-cache-dtype", dtype]
        if request.tools.tool_parser:
            argv += ["--enable-auto-tool-choice", "--tool-call-parser", request.tools.tool_parser]
        else:
            argv += ["--no-tool-call-parser"]
        parser = request.tools.reasoning_parser
        argv += ["--reasoning-parser", parser] if parser else ["--no-reasoning-parser"]
        argv += ["--mllm" if "vision" in request.capabilities else "--no-mllm"]
        argv += [*request.model.serve.extra_args, *request.model.serve.unchecked_args]
        constrained = () if request.host.apple else (("RAPID_MLX_CONSTRAIN_TOOLS", "0"),)
        return Built(
            how=Process(tuple(argv)),
            served_name=request.model_id,
            ready=Ready("/health/ready", request.model.serve.start_timeout),
            env=backend.environment(request, *backend.PYTHON_ENV, *QUIET, *constrained),
            native=("/v1/completions", "/v1/messages", "/v1/messages/count_tokens", "/v1/responses"),
        )

    def can(self, version: str, tool_parser: str) -> Can:
        auto: backend.Quality = "yes" if tool_parser else "no"
        return Can(auto=auto, required="prompt only", named="prompt only", json_schema="no", unload="not applicable")


BACKEND = RapidMlx()
