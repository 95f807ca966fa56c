"""edge/gateway/answer.py: envelopes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.edge.gateway.answer import Dialect, Refusal, envelope, error_event, said_by_engine, well_formed


@pytest.mark.parametrize(
    ("status", "openai", "anthropic"),
    [
        (400, "invalid_request_error", "invalid_request_error"),
        (401, "authentication_error", "authentication_error"),
        (404, "invalid_request_error", "not_found_error"),
        (405, "invalid_request_error", "invalid_request_error"),
        (413, "invalid_request_error", "request_too_large"),
        (429, "rate_limit_error", "rate_limit_error"),
        (501, "server_error", "api_error"),
        (502, "server_error", "api_error"),
        (503, "server_error", "overloaded_error"),
    ],
)
def test_envelopes(status: int, openai: str, anthropic: str) -> None:
    refusal = Refusal(status, "why", "some_code", param="model")
    assert envelope(refusal, "chat") == {
        "error": {"message": "why", "type": openai, "param": "model", "code": "some_code"}
    }
    assert envelope(refusal, "messages") == {"type": "error", "error": {"type": anthropic, "message": "why"}}


def test_headers() -> None:
    answer = Refusal(429, "x", "queue_full", retry_after=3).answer("chat")
    assert answer.headers == ((b"retry-after", b"3"),)
    assert (b"x-should-retry", b"false") in Refusal(503, "x", "tools_failed", retry=False).answer("chat").headers
    assert (b"allow", b"POST") in Refusal(405, "x", "m", allow="POST").answer("chat").headers
    assert (b"www-authenticate", b"Bearer") in Refusal(401, "x", "k").answer("chat").headers


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"Not Found", "Not Found"),
        (b'{"detail": "no"}', "no"),
        (b'{"message": "no"}', "no"),
        (b'{"error": "no", "src": "llama-swap"}', "no"),
        (b'{"error": {"message": "no"}}', "no"),
        (b'{"error": {"text": 1}}', '{"error": {"text": 1}}'),
        (b"[1]", "[1]"),
        (b"", "the engine answered 500 Internal Server Error"),
        (b"\xff", "\ufffd"),
        (b"[" * 100_000, "[" * 2000),
        (b"x" * 9000, "x" * 2000),
    ],
)
def test_what_engines_say(body: bytes, text: str) -> None:
    for dialect in ("chat", "messages"):
        said: dict[str, Any] = json.loads(said_by_engine(500, body, dialect))
        assert said["error"]["message"] == text
        assert well_formed(json.dumps(said).encode(), dialect)


@pytest.mark.parametrize(
    ("body", "dialect", "good"),
    [
        (b'{"error": {"message": "x"}}', "chat", True),
        (b'{"error": {"message": "x"}}', "messages", False),
        (b'{"type": "error", "error": {"message": "x"}}', "messages", True),
        (b'{"error": "x"}', "chat", False),
        (b"{", "chat", False),
        (b"[" * 100_000, "chat", False),
    ],
)
def test_well_formed(body: bytes, dialect: Dialect, good: bool) -> None:
    assert well_formed(body, dialect) == good


def test_error_events() -> None:
    refusal = Refusal(502, "gone", "engine_lost")
    assert error_event(refusal, "chat").endswith(b"\n\ndata: [DONE]\n\n")
    assert error_event(refusal, "messages").startswith(
        b'event: error\ndata: {"type":"error","error":{"type":"api_error"'
    )
    event = json.loads(error_event(refusal, "responses").partition(b"data: ")[2])
    assert event["type"] == "error"
    assert (event["code"], event["error"]["message"]) == ("engine_lost", "gone")
