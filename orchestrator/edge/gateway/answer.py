"""What the gateway says itself: JSON answers, and errors in the envelope of the API that was asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

Dialect = Literal["chat", "completions", "embeddings", "messages", "responses", "other"]
"""Which API a path speaks: errors, usage and tool calls are written differently in each."""

_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response of our own. headers: beyond content-type and content-length."""

    status: int
    body: bytes
    kind: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = field(default=())

    def wire(self, keep: bool, with_body: bool = True) -> bytes:
        """As HTTP/1.1. keep: the connection stays open; with_body: False for HEAD."""
        lines = [b"HTTP/1.1 %d %b\r\n" % (self.status, phrase(self.status).encode())]
        lines.append(b"content-type: %b\r\ncontent-length: %d\r\n" % (self.kind, len(self.body)))
        lines += [b"%b: %b\r\n" % header for header in self.headers]
        if not keep:
            lines.append(b"connection: close\r\n")
        lines += (b"\r\n", self.body if with_body else b"")
        return b"".join(lines)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error, before it has an envelope. retry_after: seconds; retry: False tells the SDKs not to try again."""

    status: int
    message: str
    code: str
    param: str | None = None
    retry_after: int | None = None
    retry: bool = True
    allow: str = ""

    def answer(self, dialect: Dialect) -> Answer:
        headers: list[tuple[bytes, bytes]] = []
        if self.retry_after is not None:
            headers.append((b"retry-after", b"%d" % self.retry_after))
        if not self.retry:
            headers.append((b"x-should-retry", b"false"))
        if self.allow:
            headers.append((b"allow", self.allow.encode()))
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        return Answer(self.status, to_bytes(envelope(self, dialect)), headers=tuple(headers))


def envelope(refusal: Refusal, dialect: Dialect) -> dict[str, Any]:
    """OpenAI's error object, or Anthropic's on /v1/messages."""
    if dialect == "messages":
        kind = _ANTHROPIC_TYPES.get(refusal.status)
        kind = kind or ("invalid_request_error" if refusal.status < 500 else "api_error")
        return {"type": "error", "error": {"type": kind, "message": refusal.message}}
    kind = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}.get(refusal.status, "")
    kind = kind or ("invalid_request_error" if refusal.status < 500 else "server_error")
    error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}
    return {"error": error}


def error_event(refusal: Refusal, dialect: Dialect) -> bytes:
    """The end of a stream whose engine died. Both SDKs raise on it; [DONE] is what vLLM sends after its errors."""
    said = envelope(refusal, dialect)
    if dialect == "messages":
        return b"event: error\ndata: %b\n\n" % to_bytes(said)
    if dialect == "responses":
        event = {"type": "error", "code": refusal.code, "message": refusal.message, "param": None, **said}
        return b"event: error\ndata: %b\n\n" % to_bytes(event)
    return b"data: %b\n\ndata: [DONE]\n\n" % to_bytes(said)


def to_bytes(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def well_formed(body: bytes, dialect: Dialect) -> bool:
    """Whether an engine's error already is in the envelope that the client's library reads."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return False
    error = read.get("error") if isinstance(read, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return False
    return dialect != "messages" or read.get("type") == "error"


def said_by_engine(status: int, body: bytes, dialect: Dialect) -> bytes:
    """An engine's error of any shape, in the right envelope. Its text is kept, cut at 2,000 characters."""
    text = body[:8000].decode("utf-8", "replace").strip()
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        read = None
    if isinstance(read, dict):
        found = read.get("error", read.get("detail", read.get("message", text)))
        if isinstance(found, dict):
            found = found.get("message", text)
        text = found if isinstance(found, str) else text
    text = text or f"the engine answered {status} {phrase(status)}"
    return to_bytes(envelope(Refusal(status, text[:2000], "engine_error"), dialect))


def phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
