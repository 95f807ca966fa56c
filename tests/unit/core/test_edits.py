"""core/wire/edits.py in a JSON body: what json.loads then reads, whatever the body, however it is cut and written."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.wire.edits import Edits, alike
from orchestrator.core.wire.found import Found, NotJson
from orchestrator.core.wire.rewrite import change, find
from orchestrator.core.wire.scanner import MAX_MEMBERS, Scanner

PARAMETERS = ["n", "top_p", "max_tokens", "max_completion_tokens", "é", 'a"b', "🙂", "x" * 90]
KEYS = st.sampled_from([*PARAMETERS, "messages", "tools"])
VALUES = st.one_of(
    st.none(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(['","model":"', "\\", "}", ""]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(KEYS, st.integers(), max_size=2),
)
PAIRS = st.lists(st.tuples(KEYS, VALUES), max_size=8)
SOME = st.dictionaries(st.sampled_from(PARAMETERS), VALUES, max_size=3)
CUTS = st.lists(st.integers(0, 10_000), max_size=8)
SPACES = st.sampled_from([b"", b" ", b"\n\t ", b"\r\n"])


def key_text(key: str, escaped: bool) -> str:
    if not escaped:
        return json.dumps(key, ensure_ascii=False)
    units = key.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[i]:02x}{units[i + 1]:02X}" for i in range(0, len(units), 2)) + '"'


def written(pairs: list[tuple[str, Any]], escaped: bool, space: bytes) -> bytes:
    """Duplicates are kept."""
    members = [key_text(k, escaped).encode() + space + b":" + space + json.dumps(v).encode() for k, v in pairs]
    return space + b"{" + space + (space + b"," + space).join(members) + space + b"}" + space


def read(raw: bytes) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = json.loads(raw, object_pairs_hook=lambda pairs: pairs)
    return found


def scan(raw: bytes, cuts: list[int], watched: frozenset[str]) -> Found:
    scanner, edges = Scanner(watched), sorted({0, len(raw), *(c % (len(raw) + 1) for c in cuts)})
    for start, end in itertools.pairwise(edges):
        scanner.feed(raw[start:end])
    return scanner.close()


def expected(pairs: list[tuple[str, Any]], edits: Edits, model: str) -> tuple[dict[str, Any], list[tuple[str, Any]]]:
    """(what is added, what is left of the body in its order), in the words of stack.yaml's documentation."""
    client = {key: value for key, value in pairs if key not in edits.drop}
    added = {key: json.loads(value) for key, value in edits.put.items()}
    for key, value in edits.fill.items():
        if all(client.get(name) is None for name in alike(key)):
            added[key] = json.loads(value)
    gone = edits.drop | {name for key in added for name in alike(key)}
    left = [(key, model if key == "model" else value) for key, value in pairs if key not in gone]
    return added, left


@given(PAIRS, st.integers(0, 8), SOME, SOME, st.frozensets(st.sampled_from(PARAMETERS)), st.booleans(), SPACES, CUTS)
def test_any_edits_of_any_body(
    pairs: list[tuple[str, Any]],
    at: int,
    put: dict[str, Any],
    fill: dict[str, Any],
    drop: frozenset[str],
    escaped: bool,
    space: bytes,
    cuts: list[int],
) -> None:
    fill = {key: value for key, value in fill.items() if not any(name in put for name in alike(key))}
    edits = Edits(*({k: json.dumps(v).encode() for k, v in values.items()} for values in (put, fill)), drop)
    at %= len(pairs) + 1
    pairs = [*pairs[:at], ("model", "m"), *pairs[at:]]
    raw = written(pairs, escaped, space)
    added, left = expected(pairs, edits, "engine")
    for found in (scan(raw, cuts, edits.keys), find(raw, edits.keys)):
        assert read(change(raw, found, "engine", edits)) == read(json.dumps(added).encode()) + read(
            written(left, False, b"")
        )


def test_every_other_byte_stays() -> None:
    raw = b' {"temperature" : 1.50 , "messages":[{"temperature":1,"x":"\\u00e9"}],\n"model":"m" , "n": 1}\n'
    edits = Edits({"temperature": b"0"}, {"top_p": b"0.9"}, frozenset({"n"}))
    want = b' {"temperature":0,"top_p":0.9,"messages":[{"temperature":1,"x":"\\u00e9"}],\n"model":"m" }\n'
    assert change(raw, find(raw, edits.keys), "m", edits) == want


def test_nothing_to_change_is_the_same_object() -> None:
    raw = b'{"model":"m","temperature":1}'
    edits = Edits(fill={"temperature": b"0"}, drop=frozenset({"n"}))
    assert change(raw, find(raw, edits.keys), "m", edits) is raw


def test_a_key_written_in_escapes_only_is_seen_at_any_cut() -> None:
    raw = b'{"model":"m",' + key_text("max_completion_tokens", True).encode() + b":5}"
    edits = Edits(fill={"max_tokens": b"9"})
    assert change(raw, scan(raw, list(range(len(raw))), edits.keys), "m", edits) is raw
    null = raw.replace(b":5}", b":null}")
    assert change(null, find(null, edits.keys), "m", edits) == b'{"max_tokens":9,"model":"m"}'


def test_the_last_of_several_counts_and_all_are_replaced() -> None:
    edits = Edits(fill={"n": b"7"})
    for raw, want in (
        (b'{"n":null,"n":1,"model":"m"}', b'{"n":null,"n":1,"model":"m"}'),
        (b'{"n":1,"n":null,"model":"m"}', b'{"n":7,"model":"m"}'),
    ):
        assert change(raw, find(raw, edits.keys), "m", edits) == want


def test_memory_is_bounded_whatever_the_body() -> None:
    raw = b"{" + b'"n":1,' * (MAX_MEMBERS + 1) + b'"model":"m"}'
    with pytest.raises(NotJson, match="too many times"):
        scan(raw, [], frozenset({"n"}))
    assert scan(raw, [], frozenset({"top_p"})).model == "m"


def test_a_huge_body_in_pieces() -> None:
    raw = b'{"prompt":"' + b"x" * (16 << 20) + b'","n":1,"model":"m"}'
    edits = Edits(drop=frozenset({"n"}))
    found = scan(raw, list(range(0, 10_000, 1000)), edits.keys)
    assert change(raw, found, "m", edits) == raw.replace(b',"n":1', b"")
