from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.core.dialogue.decode import decode
from orchestrator.core.dialogue.reply import Call, Ending, Reply

JSON = {"content-type": "application/json; charset=utf-8"}
SSE = {"content-type": "text/event-stream"}


def whole(value: Any, status: int = 200) -> Reply:
    return Reply(status, JSON, json.dumps(value).encode())


def stream(*deltas: dict[str, Any], finish: str | None = "tool_calls", end: str = "data: [DONE]\n\n") -> Reply:
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    text = "".join(f"data: {json.dumps({'choices': [choice]})}\n\n" for choice in choices)
    return Reply(200, SSE, (text + end).encode())


def call(index: int, id_: str | None, name: str | None, arguments: str) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"tool_calls": [{"index": index, "function": function} | ({"id": id_} if id_ else {})]}


def codes(reply: Reply, streamed: bool = True) -> list[str]:
    return [str(defect.code) for defect in decode(reply, streamed).defects]


def test_a_streamed_call_is_put_together() -> None:
    seen = decode(
        stream({"content": "a"}, call(0, "x", "ping", ""), call(0, None, None, "{"), call(0, None, None, "}")), True
    )
    assert seen.calls == (Call(0, "x", "ping", "{}"),)
    assert (seen.content, seen.finish, seen.defects) == ("a", "tool_calls", ())


@pytest.mark.parametrize(
    ("deltas", "expected", "names"),
    [
        ([call(0, "a", "f", "{}"), call(1, "b", "g", "{}")], [], ["f", "g"]),
        ([call(0, "a", "f", "{}"), call(0, "b", "f", "{}")], ["call_resent"], ["f"]),
        ([call(0, "a", "f", '{"x": 1}{"x": 1}')], ["call_resent"], ["f"]),
        ([call(0, "a", "f", '{"x": 1}'), call(0, "b", "f", '{"x": 2}')], ["index_collision"], ["f", "f"]),
        ([call(1, "a", "f", "{}")], ["index_gap"], ["f"]),
        ([call(0, "a", "f", "{"), call(0, None, "f", "}")], ["name_repeated"], ["f"]),
        ([call(0, "a", "get_", "{"), call(0, None, "weather", "}")], [], ["get_weather"]),
        ([call(0, "a", "f", "{}"), call(1, "a", "g", "{}")], ["id_reused"], ["f", "g"]),
        ([call(0, None, "f", "{}")], ["id_rejected"], ["f"]),
    ],
)
def test_deltas_that_break_their_rules(deltas: list[dict[str, Any]], expected: list[str], names: list[str]) -> None:
    seen = decode(stream(*deltas), True)
    assert [str(defect.code) for defect in seen.defects] == expected
    assert [one.name for one in seen.calls] == names


@pytest.mark.parametrize(
    "end", ["data: [DONE]\n\n", "data:[DONE]\r\n\r\n", "data: [DONE]\n", "data: [DONE]", ": x\n\ndata: [DONE]\n\n"]
)
def test_done_is_seen_however_it_is_framed(end: str) -> None:
    assert codes(stream({"content": "hi"}, finish="stop", end=end)) == []


def test_endings_of_a_stream() -> None:
    assert codes(stream({"content": "hi"}, end="")) == ["no_done"]
    assert codes(stream({"content": "hi"}, end='data: {"choi')) == ["half_event"]
    assert codes(stream({"content": "hi"}, finish=None)) == ["no_finish"]
    assert codes(stream({"content": "hi"}, end="data: {choices}\n\ndata: [DONE]\n\n")) == ["bad_json"]
    assert codes(stream({"content": "hi"}, end='data: {"error": {"message": "boom"}}\n\n')) == ["error_in_body"]


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("cut", "connection_lost"),
        ("refused", "connection_lost"),
        ("deadline", "deadline"),
        ("too_large", "reply_too_large"),
    ],
)
def test_replies_that_did_not_come_whole(ending: Ending, code: str) -> None:
    assert codes(Reply(200, SSE, b"data: {", ending)) == [code]


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (whole({"error": {"message": "no"}}, 400), "http_error"),
        (Reply(307, {"location": "http://elsewhere"}), "http_error"),
        (whole({"error": {"message": "no"}}), "error_in_body"),
        (whole({"choices": []}), "bad_json"),
        (whole([1, 2]), "bad_json"),
        (Reply(200, JSON, b"\xff\xfe"), "bad_json"),
        (Reply(200, JSON, b"[" * 100_000), "bad_json"),
        (Reply(200, JSON, b""), "bad_json"),
        (Reply(200, {"content-type": "text/html"}, b"<html>"), "wrong_content_type"),
    ],
)
def test_bodies_that_are_no_reply(reply: Reply, code: str) -> None:
    assert codes(reply, streamed=False)[0] == code


def test_a_whole_reply_where_a_stream_was_asked_for_is_still_read() -> None:
    value = {"choices": [{"message": {"content": [{"type": "text", "text": "hi"}]}, "finish_reason": "stop"}]}
    seen = decode(whole(value), True)
    assert (seen.content, [str(d.code) for d in seen.defects]) == ("hi", ["wrong_content_type"])


def test_arguments_as_an_object_are_read_as_their_text() -> None:
    made = {"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}
    value = {"choices": [{"message": {"content": None, "tool_calls": [made]}, "finish_reason": "tool_calls"}]}
    value["usage"] = {"prompt_tokens": 3, "completion_tokens": True}  # type: ignore[assignment]
    seen = decode(whole(value), False)
    assert seen.calls == (Call(0, "a", "f", '{"x": 1}'),)
    assert (seen.prompt_tokens, seen.completion_tokens) == (3, None)
