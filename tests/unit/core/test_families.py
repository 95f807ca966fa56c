from __future__ import annotations

import pytest

from orchestrator.core import families
from orchestrator.core.families import BY_NAME, FAMILIES, closest, detect, tool_path
from tests.planned import CODER, HARMONY, HERMES, THINKER


def test_a_marker_goes_before_the_type_and_the_type_before_the_name() -> None:
    assert detect(CODER, "qwen3", "mistral-7b")[0] is BY_NAME["qwen3-coder"]
    assert detect("no marker", "qwen3", "mistral-7b") == (BY_NAME["hermes"], "model_type qwen3")
    assert detect("", "", "org/Mistral-7B") == (BY_NAME["mistral"], "the name org/Mistral-7B")
    assert detect("", "", "org/thing")[0] is None


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.markers], ids=lambda f: f.name)
def test_a_family_is_found_by_its_own_markers(family: families.Family) -> None:
    """No earlier one takes them for its own."""
    assert detect(" ".join(family.markers), "", "")[0] is family


@pytest.mark.parametrize(
    ("repo", "family"),
    [
        ("mlx-community/Qwen3-Coder-30B-A3B-Instruct-8bit", "qwen3-coder"),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", "qwen3-coder"),
        ("Qwen/Qwen3-4B", "hermes"),
        ("Qwen/Qwen2.5-7B-Instruct", "hermes"),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "hermes"),
        ("meta-llama/Llama-3.2-1B-Instruct", "llama-4"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3"),
        ("openai/gpt-oss-120b", "gpt-oss"),
        ("zai-org/GLM-4.5-Air", "glm-4.5"),
        ("moonshotai/Kimi-K2-Instruct", "kimi-k2"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek-v3.1"),
        ("deepseek-ai/DeepSeek-V3.2", "deepseek-v3.2"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-v3"),
        ("MiniMaxAI/MiniMax-M2", "minimax-m2"),
        ("google/functiongemma-270m-it", "functiongemma"),
        ("google/gemma-4-26b", "gemma-4"),
        ("ibm-granite/granite-4.0-h-small", "granite-4"),
        ("LiquidAI/LFM2-8B-A1B", "lfm2"),
        ("ByteDance-Seed/Seed-OSS-36B-Instruct", "seed-oss"),
        ("mistralai/Devstral-Small-2507", "mistral"),
    ],
)
def test_names_of_repositories(repo: str, family: str) -> None:
    found, reason = detect("", "", repo)
    assert (found.name if found else None, reason) == (family, f"the name {repo}")


def test_stack_yaml_may_name_a_family_by_a_model_of_it() -> None:
    assert closest("hermes") is BY_NAME["hermes"]
    assert closest("qwen2.5") is BY_NAME["hermes"]
    assert closest("no-such-thing") is None


@pytest.mark.parametrize(
    ("backend", "template", "parser"),
    [
        ("vllm-mlx", HERMES, "hermes"),
        ("vllm-mlx", CODER, "qwen3_xml"),
        ("vllm-mlx", HARMONY, "harmony"),
        ("mlx-lm", HERMES, "json_tools"),
        ("mlx-lm", CODER, "qwen3_coder"),
        ("mlx-lm", HARMONY, ""),
        ("llama-cpp", HERMES, "auto"),
        ("llama-cpp", "nothing", "auto"),
        ("vllm-mlx", "nothing", "auto"),
        ("rapid-mlx", CODER, "qwen3_coder_xml"),
    ],
)
def test_a_parser_belongs_to_a_backend(backend: str, template: str, parser: str) -> None:
    family, source = detect(template, "", "")
    assert tool_path(backend, family, source, template=template).tool_parser == parser


def test_mlx_lm_wants_more_than_the_marker() -> None:
    """Its json_tools needs `tool_call.name` in the template; the family alone does not make a parser."""
    family, source = detect("<tool_call>", "", "")
    found = tool_path("mlx-lm", family, source, template="<tool_call>")
    assert (found.family, found.tool_parser) == ("hermes", "")
    assert "finds none" in found.reason


def test_a_reasoning_parser_is_for_models_that_reason() -> None:
    family = BY_NAME["hermes"]
    assert tool_path("vllm-mlx", family, "", template=HERMES).reasoning_parser == ""
    assert tool_path("vllm-mlx", family, "", template=THINKER).reasoning_parser == "qwen3"
    assert tool_path("vllm-mlx", family, "", template=THINKER, reasoning="none").reasoning_parser == ""
    assert tool_path("vllm-mlx", family, "", template=HERMES, reasoning="glm4").reasoning_parser == "glm4"


def test_declared_parsers_overrule_the_table() -> None:
    family = BY_NAME["hermes"]
    assert tool_path("vllm-mlx", family, "", tool="qwen").tool_parser == "qwen"
    found = tool_path("vllm-mlx", family, "", tool="none")
    assert (found.tool_parser, found.reason) == ("", "parsers.tool is none")


def test_a_family_without_a_parser_says_so() -> None:
    found = tool_path("vllm-mlx", BY_NAME["lfm2"], "its markers")
    assert (found.tool_parser, found.reason) == ("", "vllm-mlx has no parser for lfm2")
