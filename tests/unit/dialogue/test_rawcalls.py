"""Our own readers of what models write, one a wire format."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.dialogue.rawcalls import READERS
from orchestrator.core.families import FAMILIES
from tests.unit.dialogue.driver import WIRES

NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=12)
WORDS = st.text(string.ascii_letters + " -é日", min_size=1, max_size=20).map(str.strip).filter(bool)
ARGUMENTS = st.dictionaries(NAMES, WORDS | st.integers() | st.lists(st.integers(), max_size=3), max_size=4)
UNQUOTED = {"qwen3-coder", "glm", "minimax"}
QUOTED = ("hermes", "gemma4", "functiongemma", "granite3")
"""Formats in which a text is quoted or escaped, so that it may hold anything but the quote."""
TAGS = ("</tool_call>", "<tool_call|>", "<end_function_call>", "<tool_call>", "<|tool_call>", "<|tool_call|>")
PIECES = st.sampled_from((*"\"'\\\n\t\0{}[],: aé🦦", "日本", "00123", "null", "<start_function_call>", *TAGS))
TEXTS = st.lists(PIECES, max_size=8).map("".join)
SCALARS = TEXTS | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
ANYTHING = st.dictionaries(NAMES, VALUES, max_size=4)


@pytest.mark.parametrize("name", WIRES)
@given(called=NAMES, arguments=ARGUMENTS)
def test_what_is_written_is_read(name: str, called: str, arguments: dict[str, Any]) -> None:
    if name in UNQUOTED:  # there a text that looks like JSON is one
        arguments = {k: f"x{v}" if isinstance(v, str) else v for k, v in arguments.items()}
    wire, write = WIRES[name]
    assert READERS[wire](write(called, arguments)) == [(called, arguments)]


@pytest.mark.parametrize("name", QUOTED)
@given(calls=st.lists(st.tuples(NAMES, ANYTHING), max_size=3))
def test_a_quoted_value_may_hold_anything(name: str, calls: list[tuple[str, dict[str, Any]]]) -> None:
    wire, write = WIRES[name]
    assert READERS[wire]("".join(write(*call) for call in calls)) == calls


@pytest.mark.parametrize("name", sorted(set(WIRES) - {"mistral", "llama"}))
def test_two_calls_and_words_around_them(name: str) -> None:
    wire, write = WIRES[name]
    text = "\n".join(["Let me look.", write("read_cell", {"key": "a-b-1"}), write("ping", {})])
    assert READERS[wire](text) == [("read_cell", {"key": "a-b-1"}), ("ping", {})]


def test_forms_of_mistral_and_llama() -> None:
    assert READERS["[TOOL_CALLS]"]('[TOOL_CALLS][{"name": "a", "arguments": {"x": 1}}]') == [("a", {"x": 1})]
    assert READERS["[TOOL_CALLS]"]('[TOOL_CALLS]a[ARGS]{"x": 1}[TOOL_CALLS]b[ARGS]{}') == [("a", {"x": 1}), ("b", {})]
    assert READERS["<|python_tag|>"]('{"name": "a", "parameters": {}}; {"name": "b", "parameters": {}}') == [
        ("a", {}),
        ("b", {}),
    ]
    assert READERS["pythonic list"]('[a(x=1, y="z"), b()]') == [("a", {"x": 1, "y": "z"}), ("b", {})]


@pytest.mark.parametrize("wire", READERS)
@given(text=st.text(max_size=200))
def test_nothing_breaks_a_reader(wire: str, text: str) -> None:
    assert isinstance(READERS[wire](text), list)


@pytest.mark.parametrize("name", WIRES)
def test_what_is_cut_is_not_read(name: str) -> None:
    wire, write = WIRES[name]
    text = write("write_cell", {"key": "maple-otter-42", "value": "x"})
    assert READERS[wire](text[: text.index("otter")]) == []


@pytest.mark.parametrize("name", QUOTED)
@given(called=NAMES, arguments=ANYTHING, share=st.floats(0, 1, exclude_max=True))
def test_nothing_is_read_before_the_last_character(
    name: str, called: str, arguments: dict[str, Any], share: float
) -> None:
    wire, write = WIRES[name]
    text = write(called, arguments)
    assert READERS[wire](text[: int(share * len(text))]) == []


@pytest.mark.parametrize("name", QUOTED)
def test_a_call_inside_a_value_is_a_text(name: str) -> None:
    wire, write = WIRES[name]
    inner = write("ping", {"n": 1})
    assert READERS[wire](write("echo", {"text": inner})) == [("echo", {"text": inner})]


@pytest.mark.parametrize(
    ("inner", "arguments"),
    [
        ('x: <|"|>a<|"|> , y : [ 1 , {} ]', {"x": "a", "y": [1, {}]}),
        ('<|"|>a:b<|"|>:1', {"a:b": 1}),
        ("first name:None", {"first name": None}),
        ("x:1e-05,y:-0.5", {"x": 1e-05, "y": -0.5}),
    ],
)
def test_what_gemma_writes_differently(inner: str, arguments: dict[str, Any]) -> None:
    """White space, quoted keys, and null as its own template writes it."""
    assert READERS["<|tool_call>"](f"<|tool_call>call:ask-it{{{inner}}}<tool_call|>") == [("ask-it", arguments)]


@pytest.mark.parametrize(
    "text",
    [
        "call:a{}<tool_call|>",
        "<|tool_call>call:a{}",
        "<|tool_call>call:a{}<turn|>",
        "<|tool_call>call:{}<tool_call|>",
        "<|tool_call>a{}<tool_call|>",
        "<|tool_call>call:a()<tool_call|>",
        "<|tool_call>call:a{x}<tool_call|>",
        "<|tool_call>call:a{x:}<tool_call|>",
        "<|tool_call>call:a{x:word}<tool_call|>",
        '<|tool_call>call:a{x:"word"}<tool_call|>',
        "<|tool_call>call:a{x:00123}<tool_call|>",
        "<|tool_call>call:a{x:1 2}<tool_call|>",
        "<|tool_call>call:a{x:1,}<tool_call|>",
        "<|tool_call>call:a{x:[1,]}<tool_call|>",
        "<|tool_call>call:a{x:[1}<tool_call|>",
        "<|tool_call>call:a{x:True}<tool_call|>",
        '<|tool_call>call:a{x:<|"|>b}<tool_call|>',
        '<|tool_call>call:a{x:<|"|>b<|"|>c<|"|>}<tool_call|>',
        '<|tool_call>call:a{<|"|>x:1}<tool_call|>',
        "<|tool_call>call:a{x:<escape>b<escape>}<tool_call|>",
        "<start_function_call>call:a{}<end_function_call>",
    ],
)
def test_what_gemma_does_not_write_is_not_read(text: str) -> None:
    assert READERS["<|tool_call>"](text) == []
    good = WIRES["gemma4"][1]("b", {"x": "y"})
    assert READERS["<|tool_call>"](good + text) == [("b", {"x": "y"})]


def test_forms_of_granite() -> None:
    read = READERS["<|tool_call|>"]
    two = '[{"name": "a", "arguments": {"x": 1}}, {"name": "b", "arguments": {}}]'
    assert read(f"<|tool_call|>{two}<|end_of_text|>") == [("a", {"x": 1}), ("b", {})]
    assert read(f"I look.\n<tool_call> {two}") == [("a", {"x": 1}), ("b", {})]
    assert read('<|tool_call|>{"name": "a", "arguments": {}}') == []
    assert read('<|tool_call|>[{"name": "a", "arguments": "{}"}, 1, {"arguments": {}}]') == []
    assert read(two) == []


@pytest.mark.parametrize(
    ("name", "opened"), [("gemma4", "call:a{x:"), ("functiongemma", "call:a{x:"), ("granite3", "")]
)
def test_depth_does_not_break_a_reader(name: str, opened: str) -> None:
    wire = WIRES[name][0]
    assert READERS[wire](wire + opened + "[" * 100_000) == []


def test_every_family_has_a_reader() -> None:
    assert {family.wire for family in FAMILIES} <= READERS.keys()
