"""edge/gateway: reply.py and request.py: bytes stay what they were, cuts fall between events."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.launch import Attach, Launch, Ready, Serving
from orchestrator.core.wire.sse import Parser
from orchestrator.edge.gateway.answer import Refusal
from orchestrator.edge.gateway.gateway import Gateway
from orchestrator.edge.gateway.limits import Limits
from orchestrator.edge.gateway.reply import Reply
from orchestrator.edge.gateway.request import Request
from tests.fakes.static_supervisor import StaticSupervisor
from tests.plans import plan_of

LAUNCH = Launch("m", "openai", "m", None, Attach("http://127.0.0.1:1/v1"), Ready("/"), Serving(10))
GATEWAY = Gateway(
    plan_of(LAUNCH, name="unit"),
    StaticSupervisor({}),
    verdicts=lambda _: "none",
    findings=lambda _: None,
    keys={},
    ready=lambda: True,
    limits=Limits(copy=-1, hold=100),
)
LOST = Refusal(502, "gone", "engine_lost")


def request(modern: bool = False) -> Request:
    made = Request("POST", b"/v1/chat/completions", [(b"host", b"x")], keep=modern, modern=modern)
    made.dialect = "chat"
    return made


def reply(kind: bytes = b"text/event-stream", status: int = 200) -> Reply:
    """To an HTTP/1.0 client, so that a body is not framed."""
    return Reply(GATEWAY, request(), "m", status, [(b"content-type", kind)])


def body_of(answer: Reply) -> bytes:
    return answer.take().partition(b"\r\n\r\n")[2]


def feed(answer: Reply, raw: bytes, cuts: list[int]) -> None:
    for start, end in itertools.pairwise(sorted({0, len(raw), *(c % (len(raw) + 1) for c in cuts)})):
        answer.body(raw[start:end])


EVENTS = st.lists(st.sampled_from([b"data: {}", b"data: x\nevent: y", b": c", b"data: \xc3\xa9"]), max_size=8)
ENDS = st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"])
CUTS = st.lists(st.integers(0, 500), max_size=10)


@given(EVENTS, ENDS, CUTS, st.booleans())
def test_a_stream_is_not_changed(events: list[bytes], end: bytes, cuts: list[int], half: bool) -> None:
    raw = b"".join(event + end for event in events) + (b"data: ha" if half else b"")
    answer = reply()
    feed(answer, raw, cuts)
    answer.end()
    assert body_of(answer) == raw


@given(EVENTS, ENDS, CUTS, st.integers(0, 500))
def test_a_stream_cut_anywhere_ends_well(events: list[bytes], end: bytes, cuts: list[int], where: int) -> None:
    raw = b"".join(event + end for event in events)
    answer = reply()
    feed(answer, raw[: where % (len(raw) + 1)], cuts)
    assert answer.break_off(LOST)
    parser = Parser()
    whole = parser.feed(body_of(answer))
    assert parser.close() is None
    assert whole[:-2] == Parser().feed(raw)[: len(whole) - 2]
    assert "engine_lost" in whole[-2].data
    assert whole[-1].data == "[DONE]"


def test_an_endless_event_passes_in_pieces_and_cannot_be_broken_off() -> None:
    answer = reply()
    raw = b"data: " + b"x" * 200_000
    feed(answer, raw, list(range(0, 200_000, 1000)))
    assert len(body_of(answer)) > 100_000
    assert not answer.break_off(LOST)
    answer.body(b"\n\ndata: y\n\n")
    assert answer.break_off(LOST)


@pytest.mark.parametrize(
    ("kind", "raw", "whole"),
    [
        (b"text/event-stream", b"data: 1\n\ndata: [DONE]\n\n", True),
        (b"text/event-stream", b"data: 1\n\ndata: [DONE]", True),
        (b"text/event-stream", b"data: 1\n\n", False),
        (b"text/event-stream", b"", False),
        (b"text/event-stream", b'event: message_stop\ndata: {"type":"message_stop"}\n\n', True),
        (b"application/json", b'{"a": 1}', True),
        (b"application/json", b'{"a": ', False),
        (b"text/plain", b"any", True),
    ],
)
def test_whole_without_a_length(kind: bytes, raw: bytes, whole: bool) -> None:
    answer = reply(kind)
    answer.body(raw)
    assert answer.reads_whole(clean=True) == whole


def test_whole_after_a_reset() -> None:
    assert not reply(b"text/plain").reads_whole(clean=False)
    assert reply(b"text/plain", 404).reads_whole(clean=False)


def test_headers_that_stay_and_go() -> None:
    headers = [(b"content-type", b"application/json"), (b"access-control-allow-origin", b"*"), (b"x-model", b"y")]
    headers += [(b"set-cookie", b"a"), (b"connection", b"close"), (b"content-length", b"2"), (b"x-stack-model", b"z")]
    answer = Reply(GATEWAY, request(modern=True), "m", 200, headers)
    answer.body(b"{}")
    assert not answer.started
    answer.end()
    head, _, body = answer.take().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert set(lines[1:]) == {
        b"x-stack-model: m",
        b"content-type: application/json",
        b"x-model: y",
        b"content-length: 2",
    }
    assert body == b"{}"


def test_a_long_answer_is_held_only_so_far() -> None:
    answer = reply(b"application/json")
    answer.body(b"x" * 90)
    assert not answer.started
    answer.body(b"y" * 20)
    assert answer.started
    assert body_of(answer) == b"x" * 90 + b"y" * 20
    assert not answer.break_off(LOST)


def test_request_headers() -> None:
    headers = [(b"host", b"h"), (b"connection", b"X-Hop, keep-alive"), (b"x-hop", b"1"), (b"x-kept", b"2")]
    headers += [(b"authorization", b"Bearer s"), (b"accept", b"*/*"), (b"cookie", b"c")]
    made = Request("POST", b"/v1/x?q=1", headers, keep=True, modern=True)
    assert made.passed == b"x-kept: 2\r\naccept: */*\r\n"
    assert (made.path, made.query, made.own[b"host"], made.twice) == ("/v1/x", b"q=1", b"h", False)
    assert Request("GET", b"/", [(b"host", b"a"), (b"host", b"b")], keep=True, modern=True).twice


@given(CUTS)
def test_a_body_in_pieces_is_kept_as_it_was(cuts: list[int]) -> None:
    raw = b'{"messages": [{"model": "inner", "content": "x\\u00e9"}], "model": "m", "tools": [{}]}'
    made = request()
    for start, end in itertools.pairwise(sorted({0, len(raw), *(c % (len(raw) + 1) for c in cuts)})):
        assert made.feed(raw[start:end]) is None
    assert made.close() is None
    assert made.found is not None
    assert (made.body, made.found.model, made.found.tools) == (raw, "m", True)
