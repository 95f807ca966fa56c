"""Command lines of vllm, vllm-mlx and mlx-lm as their sources (flags: their --help)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.core.imports.command import Handler, carry, drop, source, text, weights, whole
from orchestrator.core.imports.draft import Draft


def convert(draft: Draft, arguments: list[str], owned: Mapping[str, str]) -> None:
    """draft.backend says whose they are."""
    first = arguments[:1]
    if draft.backend != "mlx-lm" and first and not first[0].startswith("-"):
        weights(draft, first[0])
        arguments = arguments[1:]
    carry(draft, arguments, TABLES[draft.backend], owned)
    if not draft.source.keys() & {"repo", "path"}:
        raise ValueError("it does not say which model it serves")


def _rows(*rows: tuple[str, Handler]) -> dict[str, Handler]:
    return {flag: handler for flags, handler in rows for flag in flags.split()}


def _say(what: str) -> Handler:
    return lambda draft, value: draft.note(what.format(value), "cmd")


def _length(draft: Draft, value: str) -> None:
    """vLLM takes `32k` (thousands) and `32K` (1024s) too."""
    if hit := re.fullmatch(r"(\d+)([kK]?)", value):
        draft.put("context", int(hit[1]) * {"": 1, "k": 1000, "K": 1024}[hit[2]])
    elif value not in ("auto", "-1"):
        draft.note(f"--max-model-len {value} is no number: context is left out", "cmd")


def _fp8(draft: Draft, value: str) -> None:
    if value.startswith("fp8"):
        draft.put("memory.kv_dtype", "fp8")
    elif value != "auto":
        draft.note(f"--kv-cache-dtype {value}: memory.kv_dtype has no such type", "cmd")


def _bits(draft: Draft, value: str) -> None:
    if value in ("8", "4"):
        draft.put("memory.kv_dtype", f"q{value}")
    else:
        draft.note(f"a KV cache of {value} bits: memory.kv_dtype knows q8 and q4", "cmd")


def _size(unit: str) -> Handler:
    def put(draft: Draft, value: str) -> None:
        if value.isdecimal():
            draft.put("memory.kv", f"{value}{unit}" if unit else int(value))
        else:
            draft.note(f"a KV cache of `{value}`: memory.kv takes a size", "cmd")

    return put


def _revision(draft: Draft, value: str) -> None:
    draft.source["revision"] = value


_COMMON = _rows(
    ("--model", weights),
    ("--host --port", drop),
    ("--served-model-name --enable-auto-tool-choice --continuous-batching --use-paged-cache", drop),
    ("--tool-call-parser", text("parsers.tool")),
    ("--reasoning-parser", text("parsers.reasoning")),
    ("--max-num-seqs", whole("serve.concurrency")),
)
TABLES: Mapping[str, Mapping[str, Handler]] = {
    "vllm": _COMMON
    | _rows(
        ("--max-model-len", _length),
        ("--tensor-parallel-size -tp", whole("tensor_parallel")),
        ("--revision", _revision),
        ("--chat-template", source("chat_template")),
        ("--kv-cache-dtype", _fp8),
        ("--gpu-memory-utilization", _say("--gpu-memory-utilization {}: the plan reserves bytes (memory.gpu)")),
    ),
    "vllm-mlx": _COMMON
    | _rows(
        ("--max-tokens", whole("serve.max_tokens")),
        ("--max-request-tokens", whole("context")),
        ("--cache-memory-mb", _size("MiB")),
        ("--kv-cache-quantization", drop),
        ("--kv-cache-quantization-bits", _bits),
        ("--mllm", lambda draft, _: draft.add("capabilities", "chat", "vision")),
    ),
    "mlx-lm": _COMMON
    | _rows(
        ("--max-tokens", whole("serve.max_tokens")),
        ("--decode-concurrency", whole("serve.concurrency")),
        ("--prompt-concurrency --quantized-kv-start --log-level", drop),
        ("--prompt-cache-bytes", _size("")),
        ("--kv-bits", _bits),
        ("--draft-model", source("draft")),
        ("--chat-template", _say("--chat-template: put the template into a file and name it as `chat_template`")),
    ),
}
