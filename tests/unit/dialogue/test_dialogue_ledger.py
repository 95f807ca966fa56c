from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.dialogue import ids, ledger
from orchestrator.core.dialogue.ledger import Walk, rotation, walk
from orchestrator.core.dialogue.wording import WALK, WORDS

EVENTS = ("pair", "retry", "recall")
seeds = st.integers(0, 10**9)


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for one in value.values() for text in strings(one)]
    if isinstance(value, list):
        return [text for one in value for text in strings(one)]
    return [value] if isinstance(value, str) and value != "moved" else []


def words(text: str) -> list[str]:
    return [part for part in text.split("-") if not part.isdigit()]


@settings(max_examples=60)
@given(seeds, st.integers(3, 60), st.integers(2, 9))
def test_no_word_is_shared_within_a_result_and_no_string_comes_twice(seed: int, turns: int, every: int) -> None:
    made = walk(seed, turns, rotation(turns, every, EVENTS))
    assert len(made.steps) == turns
    said: list[str] = []
    for step in made.steps:
        for value in step.results:
            used = [word for text in strings(value) for word in words(text)]
            assert len(used) == len(set(used))
            assert set(used) <= set(WORDS)
            if "recall" not in value:
                said += strings(value)
    assert len(said) == len(set(said))


@settings(max_examples=60)
@given(seeds)
def test_every_call_carries_what_results_said(seed: int) -> None:
    made = walk(seed, 40, rotation(40, 8, EVENTS))
    known = {made.prompt.split("key ")[1].split(".")[0]}
    nonces: dict[str, str] = {}
    for step in made.steps:
        for name, arguments in step.calls:
            assert set(arguments.values()) <= known
            if name == "confirm":
                assert nonces[arguments["key"]] == arguments["nonce"]
        for value in step.results:
            known |= set(strings(value))
            if "nonce" in value:
                nonces[value["next_key"]] = value["nonce"]
    assert [step.kind for step in made.steps].count("pair") == 2
    assert made.steps[-1].calls == (("finish", {"checksum": made.steps[-2].results[-1]["checksum"]}),)


def test_events_come_at_their_turns_or_at_the_next_where_they_can() -> None:
    made = walk(3, 8, {2: "pair", 4: "retry", 6: "recall"})
    assert [step.kind for step in made.steps] == ["read", "write", "pair", "write", "retry", "recall", "read", "finish"]
    assert rotation(40, 8, EVENTS) == {8: "pair", 16: "retry", 24: "recall", 32: "pair"}
    assert rotation(40, 8, ()) == {}


def test_the_history_is_a_correct_conversation() -> None:
    made: Walk = walk(5, 12, {4: "pair"})
    messages = made.history(8, ids.kimi)
    assert messages[0] == {"role": "user", "content": WALK.format(key=made.steps[0].calls[0][1]["key"])}
    open_ids: list[str] = []
    for message in messages[1:]:
        if message["role"] == "assistant":
            assert not open_ids
            open_ids = [call["id"] for call in message["tool_calls"]]
        else:
            assert message["tool_call_id"] == open_ids.pop(0)
            json.loads(message["content"])
    given_ids = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    assert given_ids[0] == "functions.read_cell:0"
    assert len(set(given_ids)) == len(given_ids) == 9


def test_another_alphabet_may_be_used() -> None:
    alphabet = tuple(f"word{chr(97 + i)}" for i in range(26))
    used = {w for step in walk(1, 40, {}, alphabet).steps for v in step.results for t in strings(v) for w in words(t)}
    assert used <= set(alphabet)
    assert ledger.TOOLS[0]["function"]["name"] == "read_cell"
