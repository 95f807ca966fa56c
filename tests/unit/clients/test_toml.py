"""TOML keeps its comments, its order and its other tables."""

from __future__ import annotations

import tomllib

import pytest

from orchestrator.core.client import Put, Remove
from orchestrator.edge.clients.jsonc import BadText
from orchestrator.edge.clients.toml import change

EDITS = (Put(("model",), "tiny"), Put(("p", "a.b", "url"), "u"), Put(("p", "a.b", "auth", "args"), ["x"]))


def test_root_keys_come_before_the_tables_and_comments_stay() -> None:
    text = '# top\n[tui] # here\nx = 1 # there\n\n[p.other]\ny = "z"\n'
    changed = change(text, EDITS)
    assert tomllib.loads(changed) == {
        "model": "tiny",
        "tui": {"x": 1},
        "p": {"other": {"y": "z"}, "a.b": {"url": "u", "auth": {"args": ["x"]}}},
    }
    assert {"# top", "[tui] # here", "x = 1 # there"} <= set(changed.splitlines())
    assert change(changed, EDITS) == changed


def test_a_value_that_is_so_already_is_not_written_anew() -> None:
    text = "model = 'tiny' # mine\n"
    assert change(text, (Put(("model",), "tiny"), Put(("model",), "other", once=True))) == text


def test_removals() -> None:
    text = '[p.x]\na = "1"\nb = "2"\n'
    assert tomllib.loads(change(text, (Remove(("p", "x", "a")), Remove(("p", "x", "b"), "3"), Remove(("q", "r"))))) == {
        "p": {"x": {"b": "2"}}
    }


@pytest.mark.parametrize("text", ["model = ", "[a\n", 'p = "no table"'])
def test_a_broken_file_is_refused(text: str) -> None:
    with pytest.raises(BadText):
        change(text, EDITS)
