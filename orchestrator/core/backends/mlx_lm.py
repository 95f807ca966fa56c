"""mlx-lm's own server, `mlx_lm.server` (facts: its source, version 0.32.2, and shared/reference/engines.md).

It answers to `default_model` and to its weights' path alone and infers its tool parser from the template. Its default
of 512 tokens an answer cuts agents off in mid-edit: we always set it. `--prompt-cache-bytes` bounds the caches of
running requests and the prompt cache together. An empty /v1/models means that $HF_HOME/hub is missing.
"""

from __future__ import annotations

from types import MappingProxyType

from orchestrator.core import backend
from orchestrator.core.backend import Built, Can, Request
from orchestrator.core.host import Host
from orchestrator.core.launch import Process, Ready
from orchestrator.core.spec import Model, Source

KV_BITS = {"q8": "8", "q4": "4"}


class MlxLm:
    name = "mlx-lm"
    implemented = True
    reserves: backend.Reserves = "unbounded"
    needs_engine = True
    uses_gpus = False
    offloads = False
    image = ""
    cpu_image = ""
    cuda_image = ""
    takes_parsers = False
    kv_dtypes = frozenset({"f16", "bf16", *KV_BITS})
    owned_flags = MappingProxyType(
        {
            "--model": "sources",
            "--host": "endpoint.listen",
            "--port": "serve.port",
            "--max-tokens": "serve.max_tokens",
            "--decode-concurrency": "serve.concurrency",
            "--prompt-concurrency": "serve.concurrency",
            "--prompt-cache-bytes": "memory.kv",
            "--kv-bits": "memory.kv_dtype",
            "--quantized-kv-start": "memory.kv_dtype",
            "--draft-model": "sources.mlx-lm.draft",
            "--chat-template": "sources.mlx-lm.chat_template",
        }
    )

    def supports(self, model: Model, source: Source, host: Host) -> str | None:
        if host.system == "macos" and host.apple is None:
            return "MLX needs Apple Silicon (or Linux)"
        if (source.file or "").endswith(".gguf") or (source.path or "").endswith(".gguf"):
            return "mlx-lm cannot read GGUF files"
        if wrong := backend.not_files(source, "draft", "chat_template"):
            return wrong
        if extra := sorted(set(model.capabilities or ()) - {"chat", "tools"}):
            return f"mlx_lm.server cannot do {', '.join(extra)}"
        return None

    def launch(self, request: Request) -> Built:
        argv = [
            backend.executable(request),
            *("--model", backend.weights_path(request)),
            *("--host", "127.0.0.1", "--port", str(request.port)),
            *("--max-tokens", str(request.max_tokens)),
            *("--decode-concurrency", str(request.concurrency), "--prompt-concurrency", str(request.concurrency)),
        ]
        notes = []
        if request.kv_bytes:
            argv += ["--prompt-cache-bytes", str(request.kv_bytes)]
        if bits := KV_BITS.get(request.model.memory.kv_dtype or ""):
            argv += ["--kv-bits", bits, "--quantized-kv-start", "0"]
            if request.concurrency > 1:
                notes.append("mlx-lm serves one request at a time when its KV cache is quantized")
        if request.source.draft:
            argv += ["--draft-model", backend.beside(request, request.source.draft)]
        if request.source.chat_template and request.weights:
            argv += ["--chat-template", request.weights.template]  # the text itself, not a file
        argv += [*request.model.serve.extra_args, *request.model.serve.unchecked_args]
        return Built(
            how=Process(tuple(argv)),
            served_name="default_model",
            ready=Ready("/health", request.model.serve.start_timeout),
            env=backend.environment(request, *backend.PYTHON_ENV),
            native=("/v1/completions",),
            notes=tuple(notes),
        )

    def can(self, version: str, tool_parser: str) -> Can:
        auto: backend.Quality = "yes" if tool_parser else "no"
        return Can(auto=auto, required="ignored", named="ignored", json_schema="ignored", unload="not applicable")


BACKEND = MlxLm()
