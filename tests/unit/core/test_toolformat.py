"""Calls cut out of rendered conversations, their formats, and who reads them."""

from __future__ import annotations

import pytest

from orchestrator.core.families import BY_NAME, FAMILIES, detect
from orchestrator.core.planner.parser_lists import PARSERS
from orchestrator.core.toolformat.advice import advice
from orchestrator.core.toolformat.formats import FORMATS, find
from orchestrator.core.toolformat.known_call import ANSWER, ARGUMENTS_TEXT, CASES, KEY, NAME, VALUE
from orchestrator.core.toolformat.locate import Rendered, cut, takes_tools, written
from orchestrator.core.toolformat.readers import BACKENDS, BY_FLAG, READERS, known, others, readers
from orchestrator.core.toolformat.seen import Seen, seen
from tests.tool_templates import TEMPLATES

FORMAT = {one.name: one for one in FORMATS}
HERMES = f'<tool_call>\n{{"name": "{NAME}", "arguments": {ARGUMENTS_TEXT}}}\n</tool_call>'


@pytest.mark.parametrize(
    ("call", "baseline", "left"),
    [
        ("<u>hi</u><a>CALL</a>", f"<u>hi</u><a>{ANSWER}</a>", "CALL"),
        ("<u>hi</u><a>\nCALL\n</a>", f"<u>hi</u><a>{ANSWER}</a>", "CALL"),
        # both begin with a tag that is the call's own, too
        ("<a><|channel|>commentary CALL", f"<a><|channel|>final {ANSWER}", "commentary CALL"),
        ("<a><|call|>CALL", f"<a><|chat|>{ANSWER}", "<|call|>CALL"),
        # the ends differ: nothing is taken away, not even a common letter
        ("<a>CALL<|call|>", f"<a>{ANSWER}<|end|>", "CALL<|call|>"),
        # a template that never wrote the answer
        ("<a>CALL", "<a>", "CALL"),
    ],
)
def test_a_call_is_cut_out_between_what_is_always_there(call: str, baseline: str, left: str) -> None:
    assert cut(call, baseline) == left


def test_a_call_without_its_value_is_not_written() -> None:
    baseline = f"{NAME} {ANSWER}"
    assert written([Rendered(f"{NAME} {NAME}", baseline), Rendered(f"{NAME} {VALUE}", baseline)]) == ()
    assert written([Rendered(error="boom"), Rendered(f"{NAME} {NAME} {VALUE}", baseline)]) == (f"{NAME} {VALUE}",)
    assert takes_tools([Rendered("", baseline)])
    assert not takes_tools([Rendered(f"{NAME} {VALUE}", ANSWER)])


def test_the_first_call_of_a_known_format_counts() -> None:
    found = [Rendered(error="no")] * len(CASES)
    found[1] = Rendered(f"who knows {NAME} {VALUE}", ANSWER)
    found[3] = Rendered(HERMES, ANSWER)
    assert seen(found) == Seen(False, HERMES, FORMAT["hermes"], "no")
    found[0] = Rendered(HERMES, f"{NAME} {ANSWER}")
    assert seen(found) == Seen(True, HERMES, FORMAT["hermes"], "")
    assert "\n" not in seen(found).sample


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mistral", f'[TOOL_CALLS] [{{"name": "{NAME}", "arguments": {ARGUMENTS_TEXT}, "id": "tide00001"}}]'),
        ("llama-3", f'<|python_tag|>{{"name": "{NAME}", "parameters": {ARGUMENTS_TEXT}}}'),
        ("lfm2", f"<|tool_call_start|>[{NAME}({KEY}='{VALUE}')]<|tool_call_end|>"),
        ("pythonic", f'<|python_start|>[{NAME}({KEY}="{VALUE}")]<|python_end|>'),
        ("xlam", f'[{{"name": "{NAME}", "arguments": {ARGUMENTS_TEXT}}}]'),
        ("longcat", f'<longcat_tool_call>{{"name": "{NAME}", "arguments": {ARGUMENTS_TEXT}}}</longcat_tool_call>'),
        ("gigachat-3", f'function call<|role_sep|>\n{{"name": "{NAME}", "arguments": {ARGUMENTS_TEXT}}}'),
    ],
)
def test_further_shapes_of_formats(name: str, text: str) -> None:
    found = find(text)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "text",
    [
        f"{NAME}({KEY}={VALUE})",
        f"I call {NAME} with {ARGUMENTS_TEXT}",
        f"<tool_call>{{'name': '{NAME}', 'arguments': {{'{KEY}': '{VALUE}'}}}}</tool_call>",
        f'text before {{"name": "{NAME}", "parameters": {ARGUMENTS_TEXT}}}',
    ],
    ids=["bare", "prose", "python-repr", "json-inside-text"],
)
def test_what_is_like_none_of_them_is_unknown(text: str) -> None:
    assert find(text) is None


def test_the_tables_know_the_same_formats_and_families() -> None:
    assert set(TEMPLATES) == set(FORMAT)
    for backend, row in READERS.items():
        assert set(row) <= set(FORMAT), backend
        assert all(len(parsers.split()) == len(set(parsers.split())) > 0 for parsers in row.values()), backend
    assert {family for one in FORMATS for family in one.families} == set(BY_NAME)


def test_the_family_table_names_parsers_that_read_the_familys_format() -> None:
    wrong = {
        (family.name, backend, parser)
        for one in FORMATS
        for family in map(BY_NAME.__getitem__, one.families)
        for backend, parser in family.tool.items()
        if parser not in readers(backend, one, family)
    }
    # [CALL_ID] is read by vLLM alone
    assert wrong == {
        ("mistral", "vllm-mlx", "mistral"),
        ("mistral", "mlx-lm", "mistral"),
    }


def test_parsers_of_vllm_mlx_exist() -> None:
    known_there = PARSERS["vllm-mlx", "0.6.0"][0]
    assert {parser for row in READERS["vllm-mlx"].values() for parser in row.split()} <= known_there


def test_the_familys_own_parser_comes_first() -> None:
    assert readers("vllm", FORMAT["hermes"])[0] == "hermes"
    assert readers("vllm", FORMAT["hermes"], BY_NAME["granite-4"])[0] == "granite4"
    # what markers deceived us into is no advice, though its parser happens to read the format
    assert readers("vllm-mlx", FORMAT["qwen3-coder"], BY_NAME["hermes"])[0] == "qwen3_xml"
    assert readers("rapid-mlx", FORMAT["hermes"]) == ("hermes",)
    assert readers("rapid-mlx", FORMAT["apertus"]) == ()
    assert not known("vllm", "my_plugin")
    assert known("vllm", "glm45")
    assert others(FORMAT["minimax-m3"], "mlx-lm") == "vllm: minimax_m3"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_advice_has_a_line_for_every_backend(family: object) -> None:
    wire = next(one for one in FORMATS if family in map(BY_NAME.get, one.families))
    rows = advice(Seen(True, "x", wire), "", None)
    assert tuple(row.backend for row in rows) == BACKENDS
    assert all(row.parser or "no parser" in row.note or "infers none" in row.note for row in rows if row.backend)
    assert all(row.parser in row.note for row in rows if row.parser and row.backend in BY_FLAG)


def test_advice_where_the_format_was_not_seen_goes_by_markers() -> None:
    family, _ = detect("<|tool_list_start|>", "", "")
    rows = {row.backend: row for row in advice(Seen(True), "<|tool_list_start|>", family)}
    assert (rows["vllm"].parser, rows["vllm-mlx"].parser, rows["mlx-lm"].parser) == ("lfm2", "", "pythonic")
    assert rows["vllm"].note.startswith("by markers alone")


def test_advice_on_mlx_lm_is_what_it_infers() -> None:
    def note(wire: str, template: str) -> tuple[str, str]:
        (row,) = (one for one in advice(Seen(True, "x", FORMAT[wire]), template, None) if one.backend == "mlx-lm")
        return row.parser, row.note

    assert note("hermes", "<tool_call> tool_call.name") == ("json_tools", "infers it from the template")
    assert note("hermes", "<tool_call>") == ("", "infers none from this template, though json_tools would read it")
    assert note("minimax-m3", "<tool_call> tool_call.name") == (
        "",
        "infers json_tools, which does not read this format",
    )
    assert note("kimi-k3", "") == ("kimi_k3", "infers it where the vocabulary has its tokens")
    assert note("apertus", "") == ("", "infers none from this template")
