"""edge/gateway: tally.py, judge.py, declared.py and metrics.py: what is counted from answers."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.edge.gateway.answer import Dialect
from orchestrator.edge.gateway.declared import BODY_LIMIT, NONE, Declarations, Declared
from orchestrator.edge.gateway.judge import Judge
from orchestrator.edge.gateway.metrics import SECONDS, Histogram, Metrics
from orchestrator.edge.gateway.tally import Tally, whole
from orchestrator.edge.run.api import EngineState


def call(arguments: Any) -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}


def chat(*calls: dict[str, Any], usage: Any = None) -> dict[str, Any]:
    return {"choices": [{"message": {"content": None, "tool_calls": list(calls)}}], "usage": usage}


ANY = Declared([{"function": {"name": "f"}}, {"name": "g"}, {"type": "function", "name": "ping"}])
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_tokens_details": {"cached_tokens": 1}}


@pytest.mark.parametrize(
    ("dialect", "answer", "tokens", "valid", "invalid"),
    [
        ("chat", chat(call("{}"), call('{"a": 1}'), usage=USAGE), (5, 2), 2, 0),
        ("chat", chat(call(""), call("[]"), call('"{}"'), call(None), call('{"a"')), (0, 0), 0, 5),
        (
            "chat",
            {"choices": [{"message": {"content": 'say "usage": {"prompt_tokens": 9}'}}], "usage": USAGE},
            (5, 2),
            0,
            0,
        ),
        ("chat", {"usage": {"prompt_tokens": -1, "completion_tokens": "2"}}, (0, 0), 0, 0),
        ("chat", {"x": {"usage": {"prompt_tokens": 9}}, "usage": USAGE}, (5, 2), 0, 0),
        ("embeddings", {"data": [], "usage": {"prompt_tokens": 4, "total_tokens": 4}}, (4, 0), 0, 0),
        (
            "messages",
            {
                "content": [
                    {"type": "tool_use", "name": "f", "input": {}},
                    {"type": "tool_use", "name": "f", "input": "x"},
                    {"type": "text"},
                ]
            }
            | {"usage": {"input_tokens": 3, "output_tokens": 1}},
            (3, 1),
            1,
            1,
        ),
        (
            "responses",
            {
                "output": [{"type": "function_call", "name": "f", "arguments": "{}"}, {"type": "message"}],
                "usage": {"input_tokens": 1},
            },
            (1, 0),
            1,
            0,
        ),
        ("chat", {"choices": "nonsense", "usage": [1]}, (0, 0), 0, 0),
        ("chat", [], (0, 0), 0, 0),
    ],
)
def test_whole_answers(dialect: Dialect, answer: Any, tokens: tuple[int, int], valid: int, invalid: int) -> None:
    metrics = Metrics(lambda: ())
    whole(metrics, "m", dialect, json.dumps(answer).encode(), ANY)
    assert (metrics.tokens.get(("m", "prompt"), 0), metrics.tokens.get(("m", "completion"), 0)) == tokens
    assert metrics.tool_calls.get(("m", "valid"), 0) == valid
    assert metrics.tool_calls.get(("m", "invalid"), 0) == invalid


def test_no_json_counts_as_nothing() -> None:
    metrics = Metrics(lambda: ())
    for body in (b"", b"x", b"[" * 100_000, b'{"usage": {', b'"usage": {"prompt_tokens": 1', b'"tool_calls"'):
        whole(metrics, "m", "chat", body)
    assert metrics.tokens == {}
    assert metrics.tool_calls == {}


def delta(*calls: dict[str, Any]) -> str:
    return json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": list(calls)}}]})


def test_streamed_calls_are_put_together() -> None:
    metrics = Metrics(lambda: ())
    tally = Tally("m", "chat", ANY)
    tally.event(delta({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}))
    tally.event(delta({"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}))
    tally.event(delta({"index": 0, "function": {"arguments": '{"x":'}}, {"index": 0, "function": {"arguments": "1}"}}))
    tally.event(delta({"index": 2, "id": "c", "function": {"name": "ping"}}))
    tally.event("[DONE]")
    tally.report(metrics)
    assert metrics.tool_calls == {("m", "valid"): 2, ("m", "invalid"): 1}


def test_the_last_usage_of_a_stream_counts() -> None:
    metrics = Metrics(lambda: ())
    tally = Tally("m", "messages")
    tally.event(json.dumps({"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}))
    tally.event(json.dumps({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 4}}))
    tally.report(metrics)
    assert metrics.tokens == {("m", "prompt"): 9, ("m", "completion"): 4}


SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT_TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}]
TOOLS: dict[Dialect, list[Any]] = {
    "chat": CHAT_TOOLS,
    "messages": [{"name": "weather", "input_schema": SCHEMA}],
    "responses": [{"type": "function", "name": "weather", "parameters": SCHEMA}],
}
CALLS = [
    ("weather", {"city": "Oslo"}, "valid"),
    ("weather", {"city": 7}, "misfit"),
    ("weather", {}, "misfit"),
    ("wether", {"city": "Oslo"}, "unknown_tool"),
    ("", {"city": "Oslo"}, "unknown_tool"),
    ("weather", ["Oslo"], "not_object"),
]


def answer_of(dialect: Dialect, name: str, arguments: Any) -> Any:
    text = json.dumps(arguments)
    if dialect == "chat":
        return {"choices": [{"message": {"tool_calls": [{"function": {"name": name, "arguments": text}}]}}]}
    if dialect == "messages":
        return {"content": [{"type": "tool_use", "name": name, "input": arguments}]}
    return {"output": [{"type": "function_call", "name": name, "arguments": text}]}


def events_of(dialect: Dialect, name: str, arguments: Any) -> list[Any]:
    """The call in two pieces, where the API has pieces."""
    text = json.dumps(arguments)
    if dialect == "responses":
        return [{"type": "response.completed", "response": answer_of(dialect, name, arguments)}]
    if dialect == "messages":
        start = {"type": "tool_use", "name": name, "input": {}}
        first = [{"type": "content_block_start", "index": 1, "content_block": start}]
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in (text[:3], text[3:])]
        return first + [{"type": "content_block_delta", "index": 1, "delta": delta} for delta in deltas]
    pieces = [{"index": 0, "function": {"name": name, "arguments": text[:3]}}]
    pieces += [{"index": 0, "function": {"arguments": text[3:]}}]
    return [{"choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]} for piece in pieces]


@pytest.mark.parametrize("dialect", ["chat", "messages", "responses"])
@pytest.mark.parametrize(("name", "arguments", "verdict"), CALLS)
def test_a_call_is_held_against_what_its_request_declares(
    dialect: Dialect, name: str, arguments: Any, verdict: str
) -> None:
    """Streamed and not; through the judge, as the gateway hands requests and answers over."""
    request = json.dumps({"model": "m", "messages": [{"content": '"tools": []'}], "tools": TOOLS[dialect]}).encode()

    async def run() -> Metrics:
        metrics = Metrics(lambda: ())
        judge = Judge(metrics, 1 << 20)
        judge.answer("m", dialect, json.dumps(answer_of(dialect, name, arguments)).encode(), request)
        copy = judge.stream("m", dialect, bytearray(request))
        for event in events_of(dialect, name, arguments):
            copy.add(f"data: {json.dumps(event)}\n\n".encode())
        copy.end()
        assert not judge.drain(time.monotonic, time.monotonic() + 60)
        assert metrics.waiting() == 0
        judge.close()
        return metrics

    counted = asyncio.run(run()).calls_of("m")
    right = verdict == "valid"
    assert counted == {"valid": 2 if right else 0, "invalid": 0 if right else 2, "unchecked": 0} | (
        {} if right else {verdict: 2}
    )


def counted(tools: Declared | None, *calls: dict[str, Any]) -> dict[str, int]:
    metrics = Metrics(lambda: ())
    whole(metrics, "m", "chat", json.dumps(chat(*calls)).encode(), tools)
    return {verdict: count for verdict, count in metrics.calls_of("m").items() if count}


def test_a_call_that_nobody_declared_is_invalid_and_one_that_nobody_can_check_is_neither() -> None:
    assert counted(NONE, call("{}")) == {"invalid": 1, "unknown_tool": 1}
    assert counted(None, call("{}"), call("no")) == {"unchecked": 1, "invalid": 1, "not_object": 1}
    assert counted(Declared([{"type": "web_search"}]), call("{}")) == {"unchecked": 1}
    circular = Declared([{"name": "f", "parameters": {"$ref": "#"}}])
    assert counted(circular, call("{}")) == {"unchecked": 1}
    assert counted(ANY, call('{"a": NaN}')) == {"invalid": 1, "not_object": 1}
    assert counted(ANY, {"type": "custom", "custom": {"name": "f", "input": "x"}}) == {}


def test_a_name_in_pieces_or_in_every_piece() -> None:
    metrics = Metrics(lambda: ())
    for names in (("pi", "ng", None), ("ping", "ping", "ping")):
        tally = Tally("m", "chat", ANY)
        for name, text in zip(names, ("", "{", "}"), strict=True):
            tally.event(delta({"index": 0, "function": {"name": name, "arguments": text}}))
        tally.report(metrics)
    assert metrics.calls_of("m") == {"valid": 2, "invalid": 0, "unchecked": 0}


def test_arguments_beyond_what_is_kept_are_not_judged() -> None:
    metrics = Metrics(lambda: ())
    tally = Tally("m", "chat", ANY)
    tally.event(delta({"index": 0, "function": {"name": "f", "arguments": '{"x": "'}}))
    for text in ("y" * 600_000, "y" * 600_000, '"}'):
        tally.event(delta({"index": 0, "function": {"arguments": text}}))
    tally.report(metrics)
    assert metrics.calls_of("m") == {"valid": 0, "invalid": 0, "unchecked": 1}


def wanted(body: object) -> bytes:
    return json.dumps(body).encode()


def test_declarations_are_found_wherever_they_stand() -> None:
    reads = Declarations()
    history = [{"role": "user", "content": 'a "tools": [] in a text, é'}]
    first = reads.of(wanted({"tools": CHAT_TOOLS, "messages": history}))
    assert first is not None
    assert first.judge("weather", {"city": "Oslo"}) == "valid"
    assert reads.of(bytearray(wanted({"messages": history * 50, "tools": CHAT_TOOLS}))) is first
    assert reads.of(wanted({"tools": [*CHAT_TOOLS, {"name": "more"}]})) is not first
    nested = [{"content": [{"type": "tool_use", "input": {"tools": []}}]}]
    twice = reads.of(wanted({"messages": nested, "tools": CHAT_TOOLS}))
    assert twice is not None
    assert twice.judge("weather", {}) == "misfit"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b'{"t\\u006fols": [' + b" " * 70_000 + b"]}",
        b'{"tools": [',
        b'{"tools": [' + b"[" * 100_000,
        b'{"tools": [{"name": "\xff"',
        wanted({"tools": [{"name": "f", "description": "x" * 300_000}]}),
        wanted({"tools": CHAT_TOOLS, "messages": "x" * BODY_LIMIT}),
        wanted({"a": {"tools": [1]}, "tools": CHAT_TOOLS, "messages": "x" * 70_000}),
    ],
    ids=range(9),
)
def test_what_cannot_be_looked_at_is_not_known(body: bytes) -> None:
    assert Declarations().of(body) is None


def test_memory_stays_bounded_however_many_tools_there_are() -> None:
    reads = Declarations()
    held = []
    for number in range(100):
        found = reads.of(wanted({"tools": [{"name": f"f{number}", "description": "x" * 200_000}]}))
        if found is not None:
            held.append(found)
    assert 5 < len(held) <= 10
    held.clear()
    assert reads.of(wanted({"tools": [{"name": "again", "description": "x" * 200_000}]})) is not None


def test_a_request_that_does_not_fit_leaves_its_calls_unchecked() -> None:
    async def run() -> None:
        metrics = Metrics(lambda: ())
        judge = Judge(metrics, 1000)
        request = wanted({"messages": "x" * 2000, "tools": CHAT_TOOLS})
        judge.answer("m", "chat", wanted(chat(call("{}"))), request)
        copy = judge.stream("m", "chat", request)
        copy.add(b"data: " + delta({"index": 0, "function": {"name": "f", "arguments": "{}"}}).encode() + b"\n\n")
        copy.end()
        judge.drain(time.monotonic, time.monotonic() + 60)
        assert metrics.calls_of("m") == {"valid": 0, "invalid": 0, "unchecked": 2}
        assert (metrics.dropped, metrics.waiting()) == (0, 0)
        judge.close()

    asyncio.run(run())


NAMES = [
    "usage",
    "choices",
    "delta",
    "message",
    "tool_calls",
    "function",
    "arguments",
    "content",
    "type",
    "name",
    "parameters",
]
ANSWERS = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner),
)


@given(ANSWERS, st.sampled_from(["chat", "messages", "responses", "embeddings"]), st.lists(ANSWERS, max_size=2))
def test_no_answer_can_break_it(value: Any, dialect: Dialect, tools: list[Any]) -> None:
    metrics = Metrics(lambda: ())
    whole(metrics, "m", dialect, json.dumps(value).encode(), Declared(tools))
    tally = Tally("m", dialect, Declared(tools))
    tally.event(json.dumps(value))
    tally.report(metrics)


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    async def run() -> None:
        metrics = Metrics(lambda: ())
        judge = Judge(metrics, 1000)
        judge.answer("m", "chat", b"x" * 2000)
        copy = judge.stream("m", "chat")
        copy.add(b'data: {"usage": {"prompt_tokens": 1}}\n\n')
        for _ in range(100):
            copy.add(b"data: x\n\n" * 20)
        copy.end()
        assert metrics.dropped == 2
        assert metrics.waiting() <= 1000
        kept = judge.stream("m", "chat")
        assert not judge.drain(time.monotonic, time.monotonic() + 60)
        kept.add(b'data: {"usage": {"prompt_tokens": 3}}\n\n')
        kept.end()
        judge.drain(time.monotonic, time.monotonic() + 60)
        assert metrics.tokens == {("m", "prompt"): 3}
        assert metrics.waiting() == 0
        judge.close()

    asyncio.run(run())


def test_counting_stops_when_its_time_is_over() -> None:
    async def run() -> None:
        judge = Judge(Metrics(lambda: ()), 1 << 20)
        for _ in range(10):
            judge.answer("m", "chat", b"{}")
        assert judge.drain(lambda: 2.0, 1.0)
        assert not judge.drain(lambda: 0.0, 1.0)
        judge.close()

    asyncio.run(run())


def test_histogram() -> None:
    histogram = Histogram()
    for seconds in (0.0, 0.001, 0.0011, 3.0, 10_000.0):
        histogram.add(seconds)
    buckets = dict(histogram.buckets())
    assert buckets["0.001"] == 2
    assert buckets["0.002"] == 3
    assert buckets["5.0"] == 4
    assert buckets["900.0"] == 4
    assert buckets["+Inf"] == 5
    assert len(buckets) == len(SECONDS) + 1


def test_text_reads_back() -> None:
    metrics = Metrics(lambda: (EngineState('odd"\n\\model', "ready", active=2, queued=1, restarts=3),))
    metrics.series('odd"\n\\model', "/v1/chat/completions").done(200, 0.1, 0.05)
    metrics.add_tool_call("m", "misfit")
    families = {f.name: f for f in text_string_to_metric_families(metrics.text().decode())}
    assert families["stack_requests"].samples[0].labels["model"] == 'odd"\n\\model'
    states = {s.labels["state"]: s.value for s in families["stack_engine_state"].samples}
    assert states["ready"] == 1
    assert sum(states.values()) == 1
    assert families["stack_first_byte_seconds"].samples[-1].value == 0.05
    assert families["stack_engine_queued"].samples[0].value == 1
