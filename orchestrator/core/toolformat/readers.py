"""Who reads which format: the parsers of each backend, the one to name first.

vllm-mlx 0.6.0 and mlx-lm 0.32.2: measured, the known call in each format given to each parser, not streamed and
streamed in pieces that keep tags whole; listed is what gave the call back unharmed both ways (mistral in vllm-mlx: its
list form only not streamed). vLLM: from vllm/tool_parsers of its main branch, autumn 2026, and docs/features/
tool_calling.md. The others: core/families.py. A format that a row leaves out is read by nobody there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from orchestrator.core.families import AUTOMATIC, BY_NAME, Family
from orchestrator.core.toolformat.formats import FORMATS, Format

BY_FLAG = ("vllm", "vllm-mlx", "rapid-mlx")
"""Backends that are told their parser (`parsers.tool`); mlx-lm infers it from the template."""
BACKENDS = (*BY_FLAG, "mlx-lm", *sorted(AUTOMATIC))

MEASURED: Mapping[str, str] = MappingProxyType({"vllm-mlx": "0.6.0", "mlx-lm": "0.32.2"})

READERS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "vllm": {
            "hermes": "hermes granite4",
            "qwen3-coder": "qwen3_xml qwen3_coder mimo step3p5",
            "glm-4.5": "glm47 glm45 poolside_v1",
            "minimax-m2": "minimax_m2",
            "minimax-m3": "minimax_m3",
            "seed-oss": "seed_oss",
            "kimi-k2": "kimi_k2",
            "kimi-k3": "kimi_k3",
            "gpt-oss": "openai",
            "gemma-4": "gemma4",
            "functiongemma": "functiongemma",
            "lfm2": "lfm2",
            "deepseek-v3": "deepseek_v3",
            "deepseek-v3.1": "deepseek_v31",
            "deepseek-v3.2": "deepseek_v32",
            "deepseek-v4": "deepseek_v4",
            "mistral": "mistral",
            "mistral-call-id": "mistral",
            "granite-3": "granite",
            "hunyuan": "hunyuan_a13b",
            "hunyuan-3": "hy_v3",
            "apertus": "apertus",
            "cohere": "cohere_command3 cohere_command4",
            "gigachat-3": "gigachat3",
            "minicpm5": "minicpm5",
            "longcat": "longcat",
            "llama-3": "llama3_json llama4_json",
            "pythonic": "llama4_pythonic pythonic",
            "xlam": "xlam",
        },
        "vllm-mlx": {
            "hermes": "hermes nous qwen qwen3 step3p5 step auto generic",
            "qwen3-coder": "qwen3_xml qwen3_coder qwen3.5 nemotron nemotron3 step3p5 step hermes nous qwen qwen3",
            "glm-4.5": "glm47 glm4 auto generic",
            "minimax-m2": "minimax minimax_m2",
            "seed-oss": "qwen3_xml qwen3_coder qwen3.5 step3p5 step hermes nous qwen qwen3",
            "kimi-k2": "kimi kimi_k2 moonshot",
            "gpt-oss": "harmony gpt-oss",
            "gemma-4": "gemma4 auto generic",
            "deepseek-v3": "deepseek deepseek_v3 deepseek_r1",
            "deepseek-v4": "deepseek_v4 dsml auto generic",
            "mistral": "mistral",
            "granite-3": "granite granite3 hermes nous",
            "hunyuan": "hermes nous",
            "minimax-m1": "hermes nous",
            "nemotron": "hermes nous",
            "gigachat-3": "hermes nous",
            "functionary-3.1": "functionary meetkai llama llama3 llama4 qwen qwen3 step3p5 step auto generic",
            "llama-3": "llama llama3 llama4",
            "xlam": "xlam functionary meetkai hermes nous",
        },
        "mlx-lm": {
            "hermes": "json_tools glm47 laguna",
            "qwen3-coder": "qwen3_coder",
            "glm-4.5": "glm47 laguna",
            "minimax-m2": "minimax_m2",
            "kimi-k2": "kimi_k2",
            "kimi-k3": "kimi_k3",
            "gemma-4": "gemma4",
            "functiongemma": "function_gemma",
            "lfm2": "pythonic",
            "mistral": "mistral",
            "minicpm5": "minicpm5",
            "muse": "muse_spark",
            "longcat": "longcat",
        },
    }
)

VOCABULARY = frozenset({"kimi_k3", "pythonic"})
"""Parsers that mlx-lm also infers from the vocabulary, which a template does not show."""


def readers(backend: str, wire: Format, family: Family | None = None) -> tuple[str, ...]:
    """Parsers of a backend that read this format, () if none is known; of a family that writes it, its own first."""
    if backend in READERS:
        found = tuple(READERS[backend].get(wire.name, "").split())
    else:
        named = (BY_NAME[name].tool.get(backend, "") for name in wire.families)
        found = tuple(parser for parser in dict.fromkeys(named) if parser)
    own = family.tool.get(backend, "") if family and family.name in wire.families else ""
    return tuple(sorted(found, key=lambda parser: parser != own))


def known(backend: str, parser: str) -> bool:
    """Whether we know what a parser reads; one that we do not know is not accused."""
    return any(parser in readers(backend, wire) for wire in FORMATS)


def others(wire: Format, backend: str) -> str:
    """`vllm: hermes, mlx-lm: json_tools`: who else reads it."""
    rows = ((one, readers(one, wire)) for one in BACKENDS if one != backend)
    return ", ".join(f"{one}: {found[0]}" for one, found in rows if found)
