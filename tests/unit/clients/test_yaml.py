"""YAML is changed line by line."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from orchestrator.core.client import Items, Put, Remove
from orchestrator.edge.clients.jsonc import BadText
from orchestrator.edge.clients.yaml import change

OURS = ({"name": "s: a", "url": "http://h:1/v1", "tags": ["x", "y z"], "n": {"m": 1}}, {"name": "s: b", "url": "u"})
ITEMS = Items(("models",), "s: ", OURS)

LISTED = """\
models:
# first
- name: theirs # keep
  url: old
- name: "s: gone"
  url: x # ours
- name: "s: b"
  url: other
# last
end: 1 # here"""


def test_our_items_are_replaced_and_the_others_stay() -> None:
    changed = change(LISTED, (ITEMS,))
    found = yaml.safe_load(changed)
    assert found["models"] == [{"name": "theirs", "url": "old"}, OURS[1], OURS[0]]
    assert found["end"] == 1
    for line in ("# first", "- name: theirs # keep", "# last", "end: 1 # here"):
        assert line in changed.splitlines()
    assert change(changed, (ITEMS,)) == changed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1",
        "# c\n",
        "models:\na: 1\n",
        "models: []\na: 1\n",
        "models: # none\n  []\n",
        "a: 1\nmodels:\n  - name: x",
    ],
)
def test_a_list_that_is_not_there_yet(text: str) -> None:
    changed = change(text, (ITEMS,))
    before: Any = yaml.safe_load(text) or {}
    found = yaml.safe_load(changed)
    assert found["models"] == [*(before.get("models") or []), *OURS]
    assert {key: value for key, value in found.items() if key != "models"} == {
        key: value for key, value in before.items() if key != "models"
    }
    assert change(changed, (ITEMS,)) == changed


def test_an_item_that_is_right_keeps_its_comments() -> None:
    text = 'models:\n  - name: "s: b" # fine\n    # really\n    url: u\n'
    assert change(text, (Items(("models",), "s: ", OURS[1:]),)) == text


def test_values_change_in_place() -> None:
    text = "# c\nmodel: gpt # best\nread: [a]\nkey: unused\nlast: x"
    changed = change(
        text,
        (Put(("model",), "openai/a:b"), Put(("read",), 1, once=True), Remove(("key",), "unused"), Put(("new",), "yes")),
    )
    assert changed == '# c\nmodel: "openai/a:b" # best\nread: [a]\nlast: x\nnew: "yes"\n'
    assert change(changed, (Remove(("last",), "y"),)) == changed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n", "no mapping"),
        ("a: [\n", "not valid YAML"),
        ("models: {a: 1}\n", "no list"),
        ("a: 1\nmodels: [{name: x}]\n", "line 2: models must be a list"),
    ],
)
def test_what_cannot_be_changed_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadText, match=words):
        change(text, (ITEMS,))


def test_an_item_ends_where_the_next_one_begins() -> None:
    """The first of two items of ours changes: the second, and what the last holds in `{...}`, stay whole."""
    text = change("", (ITEMS,))
    first = dict(OURS[0], url="new")
    changed = change(text, (Items(("models",), "s: ", (first, OURS[1])),))
    assert yaml.safe_load(changed) == {"models": [first, OURS[1]]}
    assert yaml.safe_load(change(changed, (Items(("models",), "s: ", (OURS[1],)),))) == {"models": [OURS[1]]}
