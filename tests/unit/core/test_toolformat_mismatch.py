"""A template's format against the parser that stack.yaml or the family table names."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.spec import Model
from orchestrator.core.toolformat.formats import FORMATS
from orchestrator.core.toolformat.mismatch import Served, mismatches
from orchestrator.core.toolformat.seen import Seen
from orchestrator.errors import Problem

FORMAT = {one.name: one for one in FORMATS}
HERMES = "{{ tools }}<tool_call>{{ tool_call.name }}"
CODER = "{{ tools }}<tool_call>\n<function=x>"


def found(backend: str, wire: str | None, template: str, *, seen: Seen | None = None, **model: Any) -> list[Problem]:
    made = Model.model_validate({"sources": {backend: {"path": "/w"}}, **model})
    shown = seen or Seen(True, "THE CALL", FORMAT[wire] if wire else None)
    return list(mismatches(Served("m", made, backend, backend, template), shown))


def test_what_fits_is_not_mentioned() -> None:
    assert found("vllm-mlx", "hermes", HERMES) == []
    assert found("vllm-mlx", "hermes", HERMES, parsers={"tool": "qwen3"}) == []
    assert found("vllm", "qwen3-coder", CODER, parsers={"tool": "qwen3_coder"}) == []
    assert found("mlx-lm", "hermes", HERMES) == []
    assert found("llama-cpp", "minimax-m3", HERMES) == []
    # the auto parser of vllm-mlx, for a template of no family, reads this one
    assert found("vllm-mlx", "hermes", "{{ tools }}") == []


def test_a_declared_parser_that_does_not_fit() -> None:
    (problem,) = found("vllm", "qwen3-coder", CODER, parsers={"tool": "hermes"})
    assert problem == Problem(
        "models.m.parsers.tool",
        "on vllm, parser hermes (parsers.tool) does not read what the model writes; "
        "the template writes qwen3-coder calls: THE CALL",
        "parsers: {tool: qwen3_xml}, which is right for vllm",
    )
    (problem,) = found("vllm-mlx", "hermes", HERMES, parsers={"tool": "qwen3_xml"})
    assert problem.mend == "parsers: {tool: hermes}, which is right for vllm-mlx"


def test_a_declared_family_that_does_not_fit() -> None:
    (problem,) = found("vllm-mlx", "hermes", HERMES, family="qwen3-coder")
    assert problem.where == "models.m.family"
    assert "parser qwen3_xml (family qwen3-coder: `family`)" in problem.text


def test_markers_that_deceive() -> None:
    """What the plan would choose by markers, seen to be wrong by rendering."""
    (problem,) = found("vllm", "qwen3-coder", HERMES)
    assert problem.where == "models.m.sources.vllm"
    assert "parser hermes (family hermes: the template holds <tool_call>)" in problem.text
    (problem,) = found("mlx-lm", "minimax-m3", HERMES)
    assert problem.text.startswith("mlx_lm.server infers json_tools from the template, which does not read what")
    assert problem.mend == "it takes no parser by name; another backend reads it (vllm: minimax_m3)"


def test_no_parser_there() -> None:
    (problem,) = found("vllm-mlx", "minimax-m3", HERMES)
    assert problem.text.startswith("no parser of vllm-mlx is known to read them; the template writes minimax-m3 calls")
    assert problem.mend == "another backend reads it (vllm: minimax_m3)"
    (problem,) = found("mlx-lm", "llama-3", "{{ tools }}<|python_tag|>")
    assert problem.text.startswith("mlx_lm.server infers no parser for what the model writes")
    (problem,) = found("vllm", "muse", "{{ tools }}")
    assert problem.mend == "another backend reads it (mlx-lm: muse_spark)"


def test_a_format_that_we_do_not_know() -> None:
    (problem,) = found("vllm", None, "{{ tools }}")
    assert "in a format that we do not know: THE CALL" in problem.text
    assert found("vllm", None, "{{ tools }}", parsers={"tool": "olmo3"}) == []
    assert found("llama-cpp", None, "{{ tools }}") == []
    assert len(found("mlx-lm", None, "{{ tools }}")) == 1


def test_a_parser_of_somebody_elses_is_not_accused() -> None:
    assert found("vllm", "hermes", HERMES, parsers={"tool": "my_plugin"}) == []


@pytest.mark.parametrize(
    "model", [{"parsers": {"tool": "none"}}, {"capabilities": ["chat"]}, {"capabilities": ["embed"]}], ids=str
)
def test_a_model_without_tools_is_left_alone(model: dict[str, Any]) -> None:
    assert found("vllm", "qwen3-coder", HERMES, **model) == []
    assert found("vllm", None, HERMES, seen=Seen(False), **model) == []


def test_tools_that_never_reach_the_prompt() -> None:
    (problem,) = found("mlx-lm", None, "{# tools #}", seen=Seen(False))
    assert problem.text == "the chat template leaves tools out of the prompt"
    assert found("mlx-lm", None, "plain", seen=Seen(False)) == []
    (problem,) = found("mlx-lm", None, "plain", seen=Seen(False, refused="no"), capabilities=["chat", "tools"])
    assert problem.text == "the chat template leaves tools out of the prompt: no"


def test_calls_that_never_reach_the_prompt() -> None:
    (problem,) = found("mlx-lm", None, "{{ tools }}", seen=Seen(True))
    assert problem.text.startswith("the chat template leaves tool calls out")
    assert found("llama-cpp", None, "{{ tools }}", seen=Seen(True)) == []
    # its parser turns past calls into plain text before the template sees them
    assert found("vllm-mlx", None, "{{ tools }}<|tool_call>", seen=Seen(True)) == []


def test_a_template_that_fails_on_a_call_as_engines_hand_it_over() -> None:
    shown = Seen(True, "THE CALL", FORMAT["deepseek-v3"], "no dict, please")
    template = "{{ tools }}<｜tool▁calls▁begin｜>```json"
    (problem,) = found("vllm", None, template, seen=shown)
    assert problem.text == "the chat template fails on a tool call, as vllm hands it over: no dict, please"
    assert found("llama-cpp", None, template, seen=shown) == []
