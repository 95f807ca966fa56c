"""JSON with comments is changed where it must, and nowhere else."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.client import Only, Put, Remove
from orchestrator.edge.clients.jsonc import BadText, change, parse

KEYS = st.text('abz-/ "\\é', min_size=1, max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('a/*"\\\n{', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
FILES = st.dictionaries(KEYS, VALUES, max_size=4)
BLANKS = st.lists(st.sampled_from(["", " ", "\n", "// a } note\n", "/* x, { */ "]), min_size=1)


def commented(value: Any, blanks: list[str], trailing: bool) -> str:
    """A JSON text with a blank of the list after every mark outside of strings."""
    count = iter(range(10**6))

    def mark(hit: re.Match[str]) -> str:
        return hit[0] if hit[0].startswith('"') else hit[0] + blanks[next(count) % len(blanks)]

    text = re.sub(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]', mark, json.dumps(value, indent=2, ensure_ascii=False))
    if trailing:
        text = re.sub(r'("(?:[^"\\]|\\.)*"|//[^\n]*\n|/\*.*?\*/)|(?<=[\w"])(\s*\n\s*)([}\]])', _comma, text, flags=re.S)
    return text


def _comma(hit: re.Match[str]) -> str:
    return hit[1] if hit[1] else f",{hit[2]}{hit[3]}"


@given(FILES, BLANKS, st.booleans())
def test_reads_what_json_means(value: Any, blanks: list[str], trailing: bool) -> None:
    assert parse(commented(value, blanks, trailing)).value == value


@given(FILES, BLANKS, st.booleans(), st.lists(KEYS, min_size=1, max_size=3), VALUES)
def test_a_put_changes_that_value_alone(
    value: dict[str, Any], blanks: list[str], trailing: bool, path: list[str], new: Any
) -> None:
    text = commented(value, blanks, trailing)
    place: Any = value
    for key in path[:-1]:
        place = place.get(key, {}) if isinstance(place, dict) else None
    put = Put(tuple(path), new)
    if not isinstance(place, dict):
        with pytest.raises(BadText, match="no mapping"):
            change(text, (put,))
        return
    changed = change(text, (put,))
    expected = json.loads(json.dumps(value))
    inner = expected
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
    inner[path[-1]] = new
    assert parse(changed).value == expected
    assert change(changed, (put,)) == changed
    if path[0] not in value:  # nothing of the old text goes but blanks beside the new member
        left = iter(changed)
        assert all(c in left for c in text if not c.isspace())


@given(FILES, BLANKS, st.booleans(), st.data())
def test_a_removal_takes_that_key_alone(value: dict[str, Any], blanks: list[str], trailing: bool, data: Any) -> None:
    key = data.draw(st.sampled_from([*value, "not there"]))
    changed = change(commented(value, blanks, trailing), (Remove((key,)),))
    assert parse(changed).value == {name: one for name, one in value.items() if name != key}


def test_only_keeps_the_named_keys() -> None:
    text = '{"a": {"x": 1, "y": 2, /* z */ "z": 3}}'
    assert parse(change(text, (Only(("a",), ("y",)), Only(("b",), ())))).value == {"a": {"y": 2}}


def test_comments_and_indentation_stay() -> None:
    text = '{\n\t// one\n\t"a": 1, // two\n\t"b": {\n\t\t"c": 2 // three\n\t} /* four */\n}\n'
    assert change(text, (Put(("b", "d"), {"e": 5}), Put(("f",), "x"))) == (
        '{\n\t// one\n\t"a": 1, // two\n\t"b": {\n\t\t"c": 2, // three\n'
        '\t\t"d": {\n\t\t\t"e": 5\n\t\t}\n\t}, /* four */\n'
        '\t"f": "x"\n}\n'
    )


def test_what_is_there_once_stays() -> None:
    assert change('{"a": 1}', (Put(("a",), 2, once=True),)) == '{"a": 1}'
    assert parse(change("", (Put(("a",), 2, once=True),))).value == {"a": 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": }', "line 1: a value is missing"),
        ('{\n"a" 1}', "line 2: a colon is missing"),
        ('{"a": 1 "b": 2}', "a comma is missing"),
        ("{a: 1}", "a key in"),
        ('{"a": NaN0}', "no JSON"),
        ("{} {}", "goes on after its end"),
        ("[" * 100, "nested too deeply"),
        ('{"a": "x', "a value is missing"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(BadText, match=words):
        change(text, (Put(("b",), 1),))
