"""Capabilities, families and parsers as `plan` decides and tells them."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.plan import Plan
from orchestrator.errors import PlanError
from tests.planned import CODER, HARMONY, HERMES, THINKER, local, planned, said, stack, weights


def one(backend: str, template: str, path: str = "/w/tiny", more: dict[str, Any] | None = None, **model: Any) -> Plan:
    return planned(
        stack({"m": local(path, backend, **model)}), known={path: weights(path, template=template, **(more or {}))}
    )


def test_capabilities_come_from_the_template() -> None:
    assert said(one("vllm-mlx", HERMES), "m", "capabilities") == ("chat, tools", "the template takes tools")
    assert said(one("vllm-mlx", "hi"), "m", "capabilities") == ("chat", "the template takes no tools")
    bare = one("vllm-mlx", "")
    assert said(bare, "m", "capabilities") == ("chat", "no chat template in the weights")
    assert "no chat template" in bare.warnings[0]


def test_a_projector_makes_a_model_see() -> None:
    source = {"path": "/w/t.gguf", "mmproj": "/w/mm.gguf"}
    key = "/w/t.gguf+mmproj:/w/mm.gguf"
    made = planned(stack({"m": {"sources": {"llama-cpp": source}}}), known={key: weights("/w/t.gguf")})
    why = "the template takes tools; `mmproj` makes it see"
    assert said(made, "m", "capabilities") == ("chat, tools, vision", why)
    plain = stack({"m": {"sources": {"llama-cpp": source}, "capabilities": ["chat"]}})
    assert planned(plain, known={key: weights("/w/t.gguf")}).launch("m").capabilities == ("chat",)


def test_plan_says_where_the_parser_came_from() -> None:
    made = one("vllm-mlx", CODER)
    assert said(made, "m", "family") == ("qwen3-coder", "the template holds <tool_call> and <function=")
    assert said(made, "m", "tool parser")[0] == "qwen3_xml"
    named = one("vllm-mlx", CODER, family="hermes", parsers={"tool": "qwen"})
    assert said(named, "m", "family") == ("hermes", "`family`")
    assert said(named, "m", "tool parser") == ("qwen", "parsers.tool")


def test_gpt_oss_without_harmony_in_mlx_lm_has_no_tools() -> None:
    made = one("mlx-lm", HARMONY)
    assert made.launch("m").capabilities == ("chat",)
    assert made.warnings == ("m: no tool calls on mlx-lm: mlx_lm.server finds none in the template",)
    with pytest.raises(PlanError) as caught:
        one("mlx-lm", HARMONY, capabilities=["chat", "tools"])
    (problem,) = caught.value.problems
    assert problem.where == "models.m.capabilities.1"
    assert problem.text.startswith("tools do not work on mlx-lm with this model (gpt-oss)")


def test_gpt_oss_on_vllm_mlx_is_a_warning() -> None:
    (warning,) = one("vllm-mlx", HARMONY).warnings
    assert warning == "m: vllm-mlx's parser harmony keeps past calls as plain text, which invites drift"


def test_a_family_without_a_parser_in_vllm_mlx_loses_tools_with_a_warning() -> None:
    made = one("vllm-mlx", "tools <|tool_list_start|>")
    assert made.launch("m").capabilities == ("chat",)
    assert made.warnings == ("m: no tool calls on vllm-mlx: vllm-mlx has no parser for lfm2",)


def test_a_reasoning_parser_on_a_model_that_does_not_reason_is_a_warning() -> None:
    made = one("vllm-mlx", HERMES, parsers={"reasoning": "qwen3"})
    assert "a model that does not reason" in made.warnings[0]
    assert not one("vllm-mlx", THINKER).warnings
    assert one("vllm-mlx", THINKER).launch("m").tools.reasoning_parser == "qwen3"


def test_parsers_none_takes_tools_away_as_asked() -> None:
    made = one("vllm-mlx", HERMES, parsers={"tool": "none"})
    assert made.launch("m").capabilities == ("chat",)
    assert made.launch("m").tools.tool_parser == ""


def test_embeddings_have_no_parser() -> None:
    made = one("llama-cpp", "", "/w/e.gguf", capabilities=["embed"])
    assert made.launch("m").tools.tool_parser == ""
    assert not made.warnings


def test_before_the_weights_are_here_tools_are_assumed() -> None:
    made = planned(stack({"m": {"sources": {"mlx-lm": {"repo": "org/Qwen3-4B"}}}}))
    assert said(made, "m", "capabilities") == ("chat, tools", "assumed until the weights are here")
    assert said(made, "m", "family") == ("hermes", "the name org/Qwen3-4B")


def test_an_unknown_family_is_an_error_that_names_the_known() -> None:
    with pytest.raises(PlanError) as caught:
        one("mlx-lm", HERMES, family="nope")
    (problem,) = caught.value.problems
    assert (problem.where, problem.text) == ("models.m.family", "no family nope is known")
    assert "hermes" in problem.mend


def test_a_parser_that_the_engine_does_not_have_is_an_error() -> None:
    """The engine would exit at once."""
    with pytest.raises(PlanError) as caught:
        one("vllm-mlx", HERMES, parsers={"tool": "qwen3_coders", "reasoning": "minimax"})
    tool, reasoning = caught.value.problems
    assert (tool.where, tool.text) == ("models.m.parsers.tool", "vllm-mlx has no tool parser qwen3_coders")
    assert tool.mend == "did you mean qwen3_coder?"
    assert reasoning.where == "models.m.parsers.reasoning"


CODER_CALL = "<tool_call>\n<function=look_up_tide>\n<parameter=harbour>\nZeebrugge\n</parameter>"
HERMES_CALL = '<tool_call>{"name": "look_up_tide", "arguments": {"harbour": "Zeebrugge"}}</tool_call>'


def test_rendering_wins_over_markers_in_a_warning_and_not_in_the_choice() -> None:
    made = one("vllm-mlx", "{% if tools %}<|tool_list_start|>{% endif %}", more={"call": HERMES_CALL})
    assert made.launch("m").tools.tool_parser == ""
    assert any("without a parser" in text and "parsers: {tool: hermes}" in text for text in made.warnings)
    named = one("vllm-mlx", HERMES, more={"call": CODER_CALL}, parsers={"tool": "glm47"})
    assert named.launch("m").tools.tool_parser == "glm47"
    (warning,) = named.warnings
    assert warning.startswith("m: on vllm-mlx, parser glm47 (parsers.tool) does not read what the model writes")
    assert warning.endswith("parsers: {tool: qwen3_xml}, which is right for vllm-mlx")
    (inferred,) = one("mlx-lm", HERMES, more={"call": CODER_CALL}).warnings
    assert inferred.startswith("m: mlx_lm.server infers json_tools from the template, which does not read")


def test_nothing_is_said_where_rendering_agrees_or_was_not_done() -> None:
    for backend in ("vllm-mlx", "mlx-lm", "llama-cpp"):
        path = "/w/m.gguf" if backend == "llama-cpp" else "/w/tiny"
        assert one(backend, HERMES, path, more={"call": HERMES_CALL}).warnings == ()
        assert one(backend, HERMES, path).warnings == ()
