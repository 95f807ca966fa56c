"""edge/gateway: tally.py, judge.py and metrics.py: what is counted from answers."""

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
from orchestrator.edge.gateway.judge import Judge
from orchestrator.edge.gateway.metrics import SECONDS, Histogram, Metrics
from orchestrator.edge.gateway.tally import Tally, whole
from orchestrator.edge.run.api import EngineState


def call(arguments: Any) -> dict[str, Any]:
    return {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}


def chat(*calls: dict[str, Any], usage: Any = None) -> dict[str, Any]:
    return {"choices": [{"message": {"content": None, "tool_calls": list(calls)}}], "usage": usage}


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
            {"content": [{"type": "tool_use", "input": {}}, {"type": "tool_use", "input": "x"}, {"type": "text"}]}
            | {"usage": {"input_tokens": 3, "output_tokens": 1}},
            (3, 1),
            1,
            1,
        ),
        (
            "responses",
            {
                "output": [{"type": "function_call", "arguments": "{}"}, {"type": "message"}],
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
    whole(metrics, "m", dialect, json.dumps(answer).encode())
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
    tally = Tally("m", "chat")
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


NAMES = ["usage", "choices", "delta", "message", "tool_calls", "function", "arguments", "content", "type"]
ANSWERS = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES), inner),
)


@given(ANSWERS, st.sampled_from(["chat", "messages", "responses", "embeddings"]))
def test_no_answer_can_break_it(value: Any, dialect: Dialect) -> None:
    metrics = Metrics(lambda: ())
    whole(metrics, "m", dialect, json.dumps(value).encode())
    tally = Tally("m", dialect)
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
    metrics.add_tool_call("m", valid=False)
    families = {f.name: f for f in text_string_to_metric_families(metrics.text().decode())}
    assert families["stack_requests"].samples[0].labels["model"] == 'odd"\n\\model'
    states = {s.labels["state"]: s.value for s in families["stack_engine_state"].samples}
    assert states["ready"] == 1
    assert sum(states.values()) == 1
    assert families["stack_first_byte_seconds"].samples[-1].value == 0.05
    assert families["stack_engine_queued"].samples[0].value == 1
