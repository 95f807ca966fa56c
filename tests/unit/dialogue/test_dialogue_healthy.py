"""A healthy engine is never accused, however it writes its replies."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.dialogue.driver import Style, drive, told

STYLES: dict[str, dict[str, Any]] = {
    "plain": {},
    "char": {"chunk": "char"},
    "whole": {"chunk": "whole", "ids": "uuid"},
    "mistral ids": {"ids": "mistral", "content": "absent"},
    "kimi ids": {"ids": "kimi", "chunk": "whole"},
    "whitespace": {"content": "whitespace", "chunk": "whole", "sse": "crlf"},
    "empty content": {"content": "empty", "ids": "mistral"},
    "text before calls": {"content": "text"},
    "reasoning": {"reasoning": 9, "chunk": "char"},
    "long reasoning": {"reasoning": 1500, "chunk": "whole"},
    "strict fields": {"strict": True},
    "no usage": {"usage": False, "content": "whitespace"},
    "comments": {"sse": "comments", "ids": "uuid"},
    "glued": {"sse": "glued", "reasoning": 9, "content": "text"},
}


@pytest.mark.parametrize("name", STYLES)
def test_no_false_alarm_in_ten_seeds(name: str) -> None:
    for seed in range(10):
        verdict, _ = drive(Style(**STYLES[name]), seed=seed)
        assert (verdict.verdict, told(verdict)) == ("pass", []), seed
        assert (verdict.turns, verdict.clean_turns, verdict.first_failure) == (8, 8, None)


@pytest.mark.parametrize("name", STYLES)
def test_forty_clean_turns(name: str) -> None:
    for seed in (1, 2):
        verdict, log = drive(Style(**STYLES[name]), "standard", seed=seed)
        notes = {"no usage": {"usage_absent"}}.get(name, set())
        assert {f.code for f in verdict.findings} == notes
        assert (verdict.verdict, verdict.turns, verdict.clean_turns) == ("pass", 40, 40)
        assert verdict.bound == "40 clean turns: at least 91.2% at 95%, if turns were independent"
        assert all(turn.ok for turn in log.turns)


def test_however_the_chunks_fall_the_judgement_is_the_same() -> None:
    for fault in ("call_resent", "index_collision", "stop_with_calls", "nested_stringified"):
        seen = [told(drive(Style(fault=fault, chunk=chunk))[0]) for chunk in ("token", "char", "whole")]
        assert seen[0] == seen[1] == seen[2] != []


def test_the_same_seed_asks_the_same() -> None:
    first, second, other = (drive(Style(), seed=seed)[1].turns for seed in (7, 7, 8))
    assert first == second != other
