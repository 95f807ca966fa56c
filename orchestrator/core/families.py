"""Model families: how each writes tool calls, and which parser reads them in which engine.

Data from shared/reference/tool-calling.md section 1 and from the engines' own sources. A parser's name belongs to one
backend and is never shared: `qwen3_coder` is one thing in vLLM and another in Rapid-MLX. A family is detected from
the template's markers, then `model_type`, then the repository's name; `family:` and `parsers:` overrule all three.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from orchestrator.core.launch import ToolPath

AUTOMATIC = frozenset({"llama-cpp", "ollama", "lm-studio", "transformers"})
"""Backends that find the parser themselves, from the template, whatever the family."""

MLX_LM_INFERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("minimax_m2", ("<minimax:tool_call>",)),
    ("gemma4", ("<|tool_call>", "<tool_call|>")),
    ("function_gemma", ("<start_function_call>",)),
    ("longcat", ("<longcat_tool_call>",)),
    ("glm47", ("<arg_key>",)),
    ("pythonic", ("<|tool_list_start|>",)),
    ("pythonic", ("<|tool_call_start|>",)),
    ("qwen3_coder", ("<tool_call>\\n<function=",)),
    ("qwen3_coder", ("<tool_call>\n<function=",)),
    ("kimi_k2", ("<|tool_calls_section_begin|>",)),
    ("minicpm5", ('<function name="', '<param name="')),
    ("mistral", ("[TOOL_CALLS]",)),
    ("muse_spark", ("<atem:function_calls>",)),
    ("json_tools", ("<tool_call>", "tool_call.name")),
)
"""How mlx-lm 0.32.2 picks its parser: the first whose marks all stand in the template (mlx_lm/tokenizer_utils.py).
It has no flag for it; what it also reads from the vocabulary is not known here."""


def mlx_lm_infers(template: str) -> str:
    return next((name for name, marks in MLX_LM_INFERS if all(mark in template for mark in marks)), "")


@dataclass(frozen=True, slots=True)
class Family:
    """markers: all must stand in the template. tool, reasoning: backend -> parser; a backend left out has none."""

    name: str
    wire: str
    markers: tuple[str, ...] = ()
    model_types: tuple[str, ...] = ()
    names: str = ""
    tool: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    reasoning: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def _parsers(vllm: str = "", vllm_mlx: str = "", rapid: str = "", mlx: str = "") -> Mapping[str, str]:
    row = {"vllm": vllm, "vllm-mlx": vllm_mlx, "rapid-mlx": rapid, "mlx-lm": mlx}
    return MappingProxyType({backend: parser for backend, parser in row.items() if parser})


FAMILIES: tuple[Family, ...] = (
    # the order matters where one family's markers contain another's: the special one first
    Family(
        "qwen3-coder",
        "<tool_call><function=",
        markers=("<tool_call>", "<function="),
        model_types=("qwen3_next", "qwen3next", "qwen3_5", "qwen3_5_moe", "nemotron_h", "mimo"),
        names=r"qwen-?3-?coder|qwen3-next|qwen-?3\.[56]|nemotron-?3|mimo",
        tool=_parsers("qwen3_xml", "qwen3_xml", "qwen3_coder_xml", "qwen3_coder"),
        reasoning=_parsers("qwen3", "qwen3", "qwen3"),
    ),
    Family(
        "glm-4.5",
        "<tool_call><arg_key>",
        markers=("<arg_key>",),
        model_types=("glm4_moe", "glm4moe"),
        names=r"glm-?4\.[567]",
        tool=_parsers("glm47", "glm47", "glm47", "glm47"),
        reasoning=_parsers("glm45", "glm4"),
    ),
    Family(
        "minimax-m2",
        "<minimax:tool_call>",
        markers=("<minimax:tool_call>",),
        model_types=("minimax", "minimax_m2", "minimax-m2"),
        names=r"minimax-?m2",
        tool=_parsers("minimax_m2", "minimax", "minimax", "minimax_m2"),
        reasoning=_parsers("minimax_m2"),
    ),
    Family(
        "seed-oss",
        "<seed:tool_call>",
        markers=("<seed:tool_call>",),
        model_types=("seed_oss",),
        names=r"seed-oss",
        tool=_parsers("seed_oss", "qwen3_xml", "seed_oss"),
        reasoning=_parsers("seed_oss"),
    ),
    Family(
        "kimi-k2",
        "<|tool_calls_section_begin|>",
        markers=("<|tool_calls_section_begin|>",),
        model_types=("kimi_k2",),
        names=r"kimi-?k2",
        tool=_parsers("kimi_k2", "kimi", "kimi", "kimi_k2"),
        reasoning=_parsers("kimi_k2"),
    ),
    Family(
        "gpt-oss",
        "<|channel|>",
        markers=("<|channel|>", "commentary"),
        model_types=("gpt_oss", "gpt-oss"),
        names=r"gpt-?oss",
        tool=_parsers("openai", "harmony", "harmony"),
        reasoning=_parsers("openai_gptoss", "gpt_oss"),
    ),
    Family(
        "gemma-4",
        "<|tool_call>",
        markers=("<|tool_call>",),
        model_types=("gemma4", "gemma4_text"),
        names=r"gemma-?4",
        tool=_parsers("gemma4", "gemma4", "gemma4", "gemma4"),
        reasoning=_parsers("gemma4", "gemma4", "gemma4"),
    ),
    Family(
        "functiongemma",
        "<start_function_call>",
        markers=("<start_function_call>",),
        names=r"functiongemma",
        tool=_parsers("functiongemma", "", "", "function_gemma"),
    ),
    Family(
        "granite-4",
        "<tool_call>",
        model_types=("granitemoehybrid", "granitehybrid"),
        names=r"granite-?4",
        tool=_parsers("granite4", "hermes", "hermes", "json_tools"),
    ),
    Family(
        "granite-3",
        "<|tool_call|>",
        markers=("<|tool_call|>",),
        model_types=("granite",),
        names=r"granite-?3",
        tool=_parsers("granite", "granite", "granite"),
        reasoning=_parsers("granite"),
    ),
    Family(
        "lfm2",
        "<|tool_call_start|>",
        markers=("<|tool_list_start|>",),
        model_types=("lfm2", "lfm2_moe", "lfm2moe"),
        names=r"lfm-?2",
        tool=_parsers("lfm2", "", "lfm", "pythonic"),
    ),
    Family(
        "deepseek-v3",
        "<｜tool▁calls▁begin｜>",
        markers=("<｜tool▁calls▁begin｜>", "```json"),
        names=r"deepseek-?(v3-0324|r1-0528|r1|v3)(?![.\d])",
        tool=_parsers("deepseek_v3", "deepseek", "deepseek_v3"),
        reasoning=_parsers("deepseek_r1", "deepseek_r1", "deepseek_r1"),
    ),
    Family(
        "deepseek-v3.1",
        "<｜tool▁calls▁begin｜>",
        markers=("<｜tool▁calls▁begin｜>",),
        model_types=("deepseek_v3",),
        names=r"deepseek-?v3\.1",
        tool=_parsers("deepseek_v31", "", "deepseek_v31"),
        reasoning=_parsers("deepseek_v3"),
    ),
    Family(
        "deepseek-v3.2",
        "<｜DSML｜function_calls>",
        markers=("<｜DSML｜",),
        model_types=("deepseek_v32",),
        names=r"deepseek-?v3\.2",
        tool=_parsers("deepseek_v32"),
    ),
    Family(
        "mistral",
        "[TOOL_CALLS]",
        markers=("[TOOL_CALLS]",),
        model_types=("mistral", "mistral3", "ministral3"),
        names=r"mistral|magistral|devstral|ministral",
        tool=_parsers("mistral", "mistral", "mistral", "mistral"),
        reasoning=_parsers("mistral", "mistral"),
    ),
    Family(
        "llama-4",
        "pythonic list",
        model_types=("llama4", "llama4_text"),
        names=r"llama-?4|toolace|^(?!.*hermes).*llama-?3\.2-[13]b",
        tool=_parsers("llama4_pythonic", "", "auto"),
    ),
    Family(
        "llama-3",
        "<|python_tag|>",
        markers=("<|python_tag|>",),
        names=r"^(?!.*hermes).*llama-?3\.[123]",
        tool=_parsers("llama3_json", "llama", "llama"),
    ),
    Family(
        "hermes",
        "<tool_call>{json}",
        markers=("<tool_call>",),
        model_types=("qwen2", "qwen2_moe", "qwen2moe", "qwen3", "qwen3_moe", "qwen3moe"),
        names=r"qwen-?2\.5|qwq|qwen-?3|hermes-?[23]",
        tool=_parsers("hermes", "hermes", "hermes", "json_tools"),
        reasoning=_parsers("qwen3", "qwen3", "qwen3"),
    ),
)

BY_NAME: Mapping[str, Family] = MappingProxyType({family.name: family for family in FAMILIES})

NO_NATIVE_HISTORY: Mapping[str, frozenset[str]] = MappingProxyType(
    {"vllm-mlx": frozenset({"auto", "gemma4", "minimax", "nemotron", "xlam", "harmony"})}
)
"""Backend -> parsers under which past calls become plain text in the prompt, which invites drift."""

THINKS = ("<think>", "enable_thinking", "[THINK]", "<|channel|>")


def thinks(template: str) -> bool:
    """Whether a template belongs to a model that reasons before it answers."""
    return any(mark in template for mark in THINKS)


def detect(template: str, model_type: str, repo: str) -> tuple[Family | None, str]:
    """The family and what it was told from, in a few words."""
    for family in FAMILIES:
        if family.markers and all(mark in template for mark in family.markers):
            return family, f"the template holds {' and '.join(family.markers)}"
    for family in FAMILIES:
        if model_type and model_type in family.model_types:
            return family, f"model_type {model_type}"
    for family in FAMILIES:
        if repo and family.names and re.search(family.names, repo.lower()):
            return family, f"the name {repo}"
    return None, "no marker, model_type or name that we know"


def closest(name: str) -> Family | None:
    """A family as stack.yaml names it: exactly, or by the pattern of repository names (`qwen2.5` is hermes)."""
    if hit := BY_NAME.get(name):
        return hit
    return next((f for f in FAMILIES if f.names and re.fullmatch(f.names, name.lower())), None)


def tool_path(
    backend: str,
    family: Family | None,
    source: str,
    *,
    template: str = "",
    tool: str = "auto",
    reasoning: str = "auto",
) -> ToolPath:
    """The parsers that this backend is given. `source`: where the family came from; tool, reasoning: `parsers:`."""
    name, wire = (family.name, family.wire) if family else ("", "")
    known = family.tool.get(backend, "") if family else ""
    if tool == "none":
        parser, reason = "", "parsers.tool is none"
    elif tool != "auto":
        parser, reason = tool, "parsers.tool"
    elif backend in AUTOMATIC:
        parser, reason = "auto", f"{backend} finds it from the template"
    elif backend == "mlx-lm" and template:
        parser = mlx_lm_infers(template)
        reason = "mlx_lm.server infers it from the template" if parser else "mlx_lm.server finds none in the template"
    elif known:
        parser, reason = known, f"family {name}: {source}"
    elif family is None and backend == "vllm-mlx":
        parser, reason = "auto", source
    else:
        parser, reason = "", f"{backend} has no parser for {name or 'an unknown family'}"
    thought = family.reasoning.get(backend, "") if family and thinks(template) else ""
    if reasoning != "auto":
        thought = "" if reasoning == "none" else reasoning
    return ToolPath(family=name, wire=wire, tool_parser=parser, reasoning_parser=thought, reason=reason)
