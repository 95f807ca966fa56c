"""Parsers that a version of an engine has, from its own --help or registry: one that it lacks makes it exit at once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Lists = tuple[frozenset[str], frozenset[str]]
"""(tool parsers, reasoning parsers)."""

_VLLM_MLX_TOOL = """auto deepseek deepseek_r1 deepseek_v3 deepseek_v4 dsml functionary gemma4 generic glm4 glm47 gpt-oss
granite granite3 harmony hermes kimi kimi_k2 llama llama3 llama4 meetkai minimax minimax_m2 mistral moonshot nemotron
nemotron3 nous poolside_v1 qwen qwen3 qwen3.5 qwen3_coder qwen3_xml step step3p5 xlam"""
_VLLM_MLX_REASONING = "qwen3 deepseek_r1 deepseek_v4 gpt_oss harmony gemma4 glm4 mistral poolside_v1 step3p5"
_VLLM_TOOL = """apertus cohere_command3 cohere_command4 deepseek_v3 deepseek_v31 deepseek_v32 deepseek_v4
deepseek_v41 dots ernie45 functiongemma gemma4 gigachat3 glm45 glm47 granite granite-20b-fc granite4 hermes hf
hunyuan_a13b hy_v3 hy_v4 inkling internlm jamba k2_horizon kimi_k2 kimi_k3 lfm2 ling3 llama3_json llama4_json
llama4_pythonic longcat mimo minicpm5 minimax_m2 minimax_m3 mistral muse_glimmer olmo3 openai phi4_mini_json plamo3
poolside_v1 pythonic qwen3_coder qwen3_json qwen3_xml seed_oss step3 step3p5 xlam"""
_VLLM_REASONING = """cohere_command3 cohere_command4 deepseek_r1 deepseek_v3 deepseek_v4 deepseek_v41 ernie45 gemma4
glm45 glm47 granite granite_thinking_parser hf holo2 hunyuan_a13b hy_v3 hy_v4 inkling k2_horizon kimi_k2 kimi_k3 ling3
mimo minicpmv minimax_m2 minimax_m2_append_think minimax_m3 mistral muse_glimmer nemotron_v3 olmo3 openai_gptoss
plamo3 poolside_v1 qwen3 seed_oss step3 step3p5"""
_RAPID_TOOL = """auto deepseek deepseek_r1 deepseek_r1_0528 deepseek_v3 deepseek_v31 deepseek_v4_0731 functionary
gemma4 gemma_4 generic glm4 glm47 gpt-oss gpt_oss granite granite3 harmony hermes hy3 hy_v3 k2_horizon kimi kimi_k2
lfm liquid llama llama3 llama4 meetkai minicpm minimax minimax_m2 mistral moonshot muse nemotron nemotron3 nous qwen
qwen3 qwen3_coder qwen3_coder_xml qwen3_xml seed seed_oss ui-tars ui_tars uitars xlam"""
_RAPID_REASONING = """cohere_command4 deepseek_r1 deepseek_r1_distill deepseek_v4 gemma4 glm4 glm5 gpt_oss harmony
hy3 hy_v3 k2_horizon minimax muse north qwen3 ui_tars vibethinker"""

PARSERS: Mapping[tuple[str, str], Lists] = MappingProxyType(
    {
        ("vllm-mlx", "0.6.0"): (frozenset(_VLLM_MLX_TOOL.split()), frozenset(_VLLM_MLX_REASONING.split())),
        ("vllm", "0.32.0"): (frozenset(_VLLM_TOOL.split()), frozenset(_VLLM_REASONING.split())),
        ("rapid-mlx", "0.16.10"): (frozenset(_RAPID_TOOL.split()), frozenset(_RAPID_REASONING.split())),
    }
)
"""(backend, version) -> its parsers. A version that is not here is not checked."""
