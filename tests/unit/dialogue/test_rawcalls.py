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
NO_READER = {"<|tool_call>", "<start_function_call>", "<|tool_call|>"}


@pytest.mark.parametrize("name", WIRES)
@given(called=NAMES, arguments=ARGUMENTS)
def test_what_is_written_is_read(name: str, called: str, arguments: dict[str, Any]) -> None:
    if name in UNQUOTED:  # there a text that looks like JSON is one
        arguments = {k: f"x{v}" if isinstance(v, str) else v for k, v in arguments.items()}
    wire, write = WIRES[name]
    assert READERS[wire](write(called, arguments)) == [(called, arguments)]


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


def test_a_value_may_hold_the_closing_tag() -> None:
    wire, write = WIRES["hermes"]
    arguments = {"text": "a </tool_call> b"}
    assert READERS[wire](write("echo", arguments)) == [("echo", arguments)]


def test_every_family_has_a_reader_or_is_named_as_without() -> None:
    assert {family.wire for family in FAMILIES} - READERS.keys() == NO_READER
