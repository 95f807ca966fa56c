"""Parsers that a version of an engine has, from its own --help: one that it lacks makes it exit at once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Lists = tuple[frozenset[str], frozenset[str]]
"""(tool parsers, reasoning parsers)."""

_VLLM_MLX_TOOL = """auto deepseek deepseek_r1 deepseek_v3 deepseek_v4 dsml functionary gemma4 generic glm4 glm47 gpt-oss
granite granite3 harmony hermes kimi kimi_k2 llama llama3 llama4 meetkai minimax minimax_m2 mistral moonshot nemotron
nemotron3 nous poolside_v1 qwen qwen3 qwen3.5 qwen3_coder qwen3_xml step step3p5 xlam"""
_VLLM_MLX_REASONING = "qwen3 deepseek_r1 deepseek_v4 gpt_oss harmony gemma4 glm4 mistral poolside_v1 step3p5"

PARSERS: Mapping[tuple[str, str], Lists] = MappingProxyType(
    {("vllm-mlx", "0.6.0"): (frozenset(_VLLM_MLX_TOOL.split()), frozenset(_VLLM_MLX_REASONING.split()))}
)
"""(backend, version) -> its parsers. A version that is not here is not checked."""
