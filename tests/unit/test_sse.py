"""core/wire/sse.py: the same events however the bytes are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.wire.sse import EventTooLong, Parser, Sse


def parse(raw: bytes, cuts: list[int] | None = None) -> list[Sse]:
    """All events of `raw`, fed in the pieces that `cuts` (positions) make of it."""
    parser, found, edges = Parser(), [], sorted({0, len(raw), *(c % (len(raw) + 1) for c in cuts or [])})
    for start, end in itertools.pairwise(edges):
        found += parser.feed(raw[start:end])
    return found


@pytest.mark.parametrize(
    ("raw", "events"),
    [
        (b"data: a\n\n", [("message", "a")]),
        (b"data:a\r\rdata: b\r\n\r\n", [("message", "a"), ("message", "b")]),
        (b"event: error\ndata: {}\n\n", [("error", "{}")]),
        (b"data: a\ndata:  b\ndata\n\n", [("message", "a\n b\n")]),
        (b": comment\n\nevent: nothing\n\ndata: x\n\n", [("message", "x")]),
        (b"\xef\xbb\xbfdata: bom\n\n", [("message", "bom")]),
        (b"retry: 5\nunknown: y\ndata: a:b\n\n", [("message", "a:b")]),
        ("data: é€\n\n".encode(), [("message", "é€")]),
        (b"data: half", []),
        (b"", []),
    ],
)
def test_events(raw: bytes, events: list[tuple[str, str]]) -> None:
    assert [(e.event, e.data) for e in parse(raw)] == events
    assert [(e.event, e.data) for e in parse(raw, list(range(len(raw))))] == events


def test_id_stays_until_the_next_one() -> None:
    assert [e.id for e in parse(b"data: a\n\nid: 1\ndata: b\n\ndata: c\n\nid: x\0\ndata: d\n\n")] == ["", "1", "1", "1"]


def test_close_hands_over_the_half_event() -> None:
    parser = Parser()
    parser.feed(b"data: whole\n\nevent: e\ndata: ha")
    assert parser.close() == Sse("e", "ha")
    assert Parser().close() is None


def test_an_endless_event_is_refused() -> None:
    parser = Parser(limit=100)
    parser.feed(b"data: " + b"x" * 90)
    with pytest.raises(EventTooLong):
        parser.feed(b"y" * 20)
    lines = Parser(limit=100)
    with pytest.raises(EventTooLong):
        lines.feed(b"data: " + b"\ndata: ".join([b"x" * 10] * 20) + b"\n")


@given(
    st.lists(st.sampled_from([b"data: ", b"data", b"event:x", b"a", b":", b"\n", b"\r", b"\r\n", b" ", b"\xc3\xa9"])),
    st.lists(st.integers(0, 1000)),
)
def test_cuts_change_nothing(pieces: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(pieces)
    assert parse(raw, cuts) == parse(raw)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)))), st.lists(st.integers()))
def test_round_trip(texts: list[str], cuts: list[int]) -> None:
    raw = "".join(f"data: {text}\n\n" for text in texts).encode()
    assert [e.data for e in parse(raw, cuts)] == texts
