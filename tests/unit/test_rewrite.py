"""core/wire/scanner.py and core/wire/rewrite.py: agree with json.loads on any body, however it is cut."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.wire.found import Found, NotJson
from orchestrator.core.wire.rewrite import change, find
from orchestrator.core.wire.scanner import MAX_DEPTH, Scanner

KEYS = st.one_of(
    st.sampled_from(["model", "tools", "messages", 'mod"el', "models", "\\model", "é"]), st.text(max_size=8)
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=20),
        st.sampled_from(['{"model": "x"}', '"model":', "\\", '\\"', "model"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=10,
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=6)
CUTS = st.lists(st.integers(0, 10_000), max_size=12)


def scan(raw: bytes, cuts: list[int] | None = None) -> Found:
    scanner, edges = Scanner(), sorted({0, len(raw), *(c % (len(raw) + 1) for c in cuts or [])})
    for start, end in itertools.pairwise(edges):
        scanner.feed(raw[start:end])
    return scanner.close()


def expected(raw: bytes) -> tuple[str | None, bool] | None:
    """What json.loads says of the body: (model, has tools), None if it is none of ours."""
    try:
        pairs = json.loads(raw, object_pairs_hook=lambda p: p, parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return None
    if not raw.strip().startswith(b"{"):
        return None
    models = [v for k, v in pairs if k == "model"]
    if len(models) > 1 or not all(isinstance(v, str) for v in models):
        return None
    body = json.loads(raw)
    return body.get("model"), isinstance(body.get("tools"), list) and bool(body["tools"])


def check(raw: bytes, cuts: list[int]) -> None:
    want = expected(raw)
    if want is None:
        with pytest.raises(NotJson):
            scan(raw, cuts)
        with pytest.raises(NotJson):
            find(raw)
        return
    found = scan(raw, cuts)
    quick = find(raw)
    assert (quick.model, quick.span, quick.tools) == (found.model, found.span, found.tools)
    assert (found.model, found.tools) == want
    if found.model is not None:
        assert json.loads(raw[slice(*found.span)]) == found.model
        changed = change(raw, found, "other é")
        assert json.loads(changed) == {**json.loads(raw), "model": "other é"}
        assert json.loads(change(changed, scan(changed), found.model)) == json.loads(raw)
        assert change(raw, found, found.model) is raw


@given(BODIES, st.booleans(), st.sampled_from([None, 1]), CUTS)
def test_any_object(body: dict[str, Any], ascii_only: bool, indent: int | None, cuts: list[int]) -> None:
    check(json.dumps(body, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass"), cuts)


@given(BODIES, st.text(max_size=10), CUTS)
def test_any_object_with_a_model(body: dict[str, Any], model: str, cuts: list[int]) -> None:
    check(json.dumps({**body, "model": model}).encode(), cuts)


@given(VALUES, CUTS)
def test_any_value(value: Any, cuts: list[int]) -> None:
    check(json.dumps(value).encode(), cuts)


PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b'"',
    b'"model"',
    b'"tools"',
    b"1",
    b"-",
    b".",
    b"e",
    b"0",
    b"true",
    b"nul",
]
PIECES += [b"\\", b"u00e9", b" ", b"\n", b"\x00", b"x", b'"a":1', b'"model":"m"', b'"tools":[1]', b'"mod\\u0065l":"n"']


@given(st.lists(st.sampled_from(PIECES), max_size=14), CUTS)
def test_any_bytes(pieces: list[bytes], cuts: list[int]) -> None:
    check(b"".join(pieces), cuts)
    check(b'{"model":"m",' + b"".join(pieces) + b"}", cuts)


@given(BODIES, st.integers(0, 500), st.sampled_from(PIECES), CUTS)
def test_one_piece_too_many(body: dict[str, Any], where: int, piece: bytes, cuts: list[int]) -> None:
    raw = json.dumps({**body, "model": "m"}).encode()
    where %= len(raw) + 1
    check(raw[:where] + piece + raw[where:], cuts)
    check(raw[:where], cuts)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "empty"),
        (b"hello", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'{"model": "a"', "ends in the middle"),
        (b'{"model": "a"} x', "not JSON"),
        (b'{"model": "a", "model": "b"}', "twice"),
        (b'{"model": "a", "mod\\u0065l": "b"}', "twice"),
        (b'{"model": 3}', "not a string"),
        (b'{"model": "a\nb"}', "control character"),
        (b'{"model": "\xff"}', "not UTF-8"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": ' + b"1" * 5000 + b"}", "too long"),
        (b'{"model": "' + b"m" * 5000 + b'"}', "too long"),
        (b'{"a": ' + b"[" * 1_000_000, "nested deeper"),
    ],
)
def test_refused(raw: bytes, text: str) -> None:
    for cuts in ([], list(range(0, len(raw), max(1, len(raw) // 97)))):
        with pytest.raises(NotJson, match=text):
            scan(raw, cuts)


def test_deepest_nesting() -> None:
    depth = MAX_DEPTH - 1
    raw = b'{"a": ' + b"[" * depth + b"]" * depth + b', "model": "m"}'
    assert scan(raw).model == "m"


def test_an_inner_model_is_left_alone() -> None:
    raw = b'{"x":{"model":"inner"},"messages":[{"model":"in"}],"s":"\\"model\\":\\"no\\"", "model" : "a\\/b","y":1}'
    found = scan(raw, list(range(len(raw))))
    assert found.model == "a/b"
    assert change(raw, found, "engine") == raw.replace(b'"a\\/b"', b'"engine"')


def test_a_long_string_in_many_pieces_is_scanned_once() -> None:
    scanner = Scanner()
    scanner.feed(b'{"model": "m", "prompt": "')
    for _ in range(2000):
        scanner.feed(b"x" * 4096)
    scanner.feed(b'"}')
    assert scanner.close().model == "m"
