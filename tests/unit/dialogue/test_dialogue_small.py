"""The small pure parts: statistics, damage, schema, markers, parameters, ids, the table of codes."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.dialogue import ids, markers, schema
from orchestrator.core.dialogue.codes import TABLE, Code
from orchestrator.core.dialogue.damage import damage
from orchestrator.core.dialogue.setup import Parameters
from orchestrator.core.dialogue.statistics import bound, wilson_lower
from orchestrator.core.dialogue.wording import ADD, ECHO, PING, READ, WORDS
from orchestrator.core.families import FAMILIES


@pytest.mark.parametrize(("turns", "percent"), [(40, "91.2"), (73, "95.0"), (189, "98.0"), (381, "99.0")])
def test_what_clean_turns_show(turns: int, percent: str) -> None:
    """The table of reference: one clean run of 40 turns cannot claim 99%."""
    assert bound(turns, turns) == f"{turns} clean turns: at least {percent}% at 95%, if turns were independent"


def test_bounds_of_little() -> None:
    assert bound(0, 0) == "no turns"
    assert bound(3, 4).startswith("3 of 4 turns clean: at least 30.0%")
    assert wilson_lower(0, 10) == pytest.approx(0, abs=1e-9)
    assert wilson_lower(99, 100) == pytest.approx(0.9455, abs=1e-4)


@pytest.mark.parametrize(
    ("got", "sent", "code"),
    [
        ({"a": "x </p> y"}, {"a": "x </p> y"}, None),
        ({"a": "x "}, {"a": "x </p> y"}, "value_cut_at_tag"),
        ({"a": "x"}, {"a": "x </p> y"}, "value_cut_at_tag"),
        ({"a": 123}, {"a": "00123"}, "fidelity_lost"),
        ({"a": 9007199254740992}, {"a": 9007199254740993}, "fidelity_lost"),
        ({"a": "9007199254740993"}, {"a": 9007199254740993}, "fidelity_lost"),
        ({"a": "a\\nb"}, {"a": "a\nb"}, None),
        ({"a": "??"}, {"a": "日本"}, "fidelity_lost"),
        ({"a": "æ\x97¥"}, {"a": "日"}, "fidelity_lost"),
        ({"a": '[{"b": 1}]'}, {"a": [{"b": 1}]}, "nested_stringified"),
        ({"a": [{"b": 123}]}, {"a": [{"b": "0123"}]}, "fidelity_lost"),
        ({"a": "maple otter"}, {"a": "maple oyster"}, None),
        ({}, {"a": "x"}, None),
        ({"a": 7}, {"a": 8}, None),
        ({"a": True}, {"a": "x"}, None),
    ],
)
def test_what_software_does_to_values(got: dict[str, Any], sent: dict[str, Any], code: str | None) -> None:
    assert damage(got, sent) == code


@pytest.mark.parametrize(
    ("arguments", "tool", "text"),
    [
        ({"key": "a"}, READ, ""),
        ({}, READ, "key is missing"),
        ({"key": 1}, READ, "key is int, not string"),
        ({"key": "a", "x": 1}, READ, "x is not an argument of the tool"),
        ({"a": 1, "b": 2.5}, ADD, ""),
        ({"a": True, "b": 1}, ADD, "a is bool, not number"),
        ({}, PING, ""),
        ({"text": "", "code": "", "number": 1, "items": [1]}, ECHO, "items is list, not array"),
    ],
)
def test_whether_arguments_fit(arguments: dict[str, Any], tool: dict[str, Any], text: str) -> None:
    assert schema.misfit(arguments, tool) == text


def test_markers_of_every_family_are_known() -> None:
    for family in FAMILIES:
        if "<" in family.wire or "[" in family.wire:
            assert markers.markup(f"Sure. {family.wire}"), family.name
            assert markers.own(markers.markup(family.wire), family.wire)


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("plain text with <b>tags</b> and </tool_call>", ""),
        ('<tool_call>\n{"name": "f"}', "<tool_call>"),
        ("<tool_call>\n<function=ping>", "<function="),
        ('I say {"name": "ping", "arguments": {}}', markers.BARE),
        ('I say {"name": "other", "arguments": {}}', ""),
        ('{"name": broken', ""),
    ],
)
def test_markup_is_what_opens_a_call(text: str, marker: str) -> None:
    assert markers.markup(text, ["ping"]) == marker


def test_a_corrupted_name_is_not_an_invented_one() -> None:
    assert markers.corrupted("ping<|channel|>commentary", ["ping"])
    assert markers.corrupted("functions.ping", ["ping"])
    assert not markers.corrupted("pong", ["ping"])


def test_parameters_from_json() -> None:
    read = Parameters.of({"every": 4, "events": ["pair"], "max_tokens": 200, "trained": "2026", "request_seconds": 5})
    assert (read.every, read.events, read.max_tokens, read.request_seconds) == (4, ("pair",), 200, 5.0)
    assert read.alphabet == WORDS
    assert read.limited(1, 100, 8192).together == 1
    assert read.limited(4, 100, 8192).max_tokens == 100
    assert read.limited(4, None, 400).max_tokens == 100
    assert read.limited(4, None, 8192) == read
    assert read.limited(4, None, 0) == read  # a server that somebody else runs does not say its context


@pytest.mark.parametrize("values", [{"events": ["jump"]}, {"every": "x"}, {"alphabet": ["a", "b"]}, {"events": 3}])
def test_parameters_that_cannot_be_used(values: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Parameters.of(values)


def test_ids_begin_with_the_templates_own_style() -> None:
    assert ids.order("[TOOL_CALLS]")[0] == "mistral"
    assert ids.order("<|tool_calls_section_begin|>")[0] == "kimi"
    assert ids.order("")[0] == "openai"
    assert len({style(0, "f") for style in ids.STYLES.values()}) == 3
    assert len(ids.mistral(9999, "f")) == 9


def test_every_code_has_its_row() -> None:
    assert set(TABLE) == set(Code)
    assert all(row.mend for row in TABLE.values())
