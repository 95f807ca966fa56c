"""An engine's answer on its way to the client: framed anew, otherwise untouched.

A stream goes out event by event, so that an engine that dies in the middle of one can still be followed by a
well-formed error. Any other answer is held until it is whole (up to Limits.hold), so that it can still become a 502.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from orchestrator.edge.gateway.answer import Refusal, error_event, phrase, said_by_engine, well_formed

if TYPE_CHECKING:
    from orchestrator.edge.gateway.gateway import Gateway
    from orchestrator.edge.gateway.judge import Copy
    from orchestrator.edge.gateway.request import Request
    from orchestrator.edge.gateway.upstream import Headers

# Not passed on: hop-by-hop, our own framing, and what an engine grants to pages and browsers, which is ours to grant.
_DROPPED = frozenset(
    b"connection keep-alive proxy-connection te trailer transfer-encoding upgrade content-length set-cookie alt-svc "
    b"strict-transport-security x-stack-model".split()
)
_CORS = b"access-control-"
_BOUNDARIES = (b"\n\n", b"\r\n\r\n", b"\r\r", b"\n\r\n")
_EVENT = 64 << 10
_ENDS = (
    *(b"[DONE]", b"message_stop", b"response.completed", b"response.incomplete", b"response.failed", b'"error"'),
    *(b"speech.audio.done", b"transcript.text.done"),
)
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"|"choices"\s*:\s*\[\s*\]')
_STATUS = {code: b"HTTP/1.1 %d %b\r\n" % (code, phrase(code).encode()) for code in range(200, 600)}


class Reply:
    """out: what waits to be written; started: the client has seen the head; first: when its first event went out."""

    __slots__ = (
        "_copy",
        "_declaring",
        "_encoded",
        "_gateway",
        "_head",
        "_held",
        "_json",
        "_last",
        "_mid_event",
        "_model",
        "_request",
        "_size",
        "_stream",
        "_tail",
        "first",
        "keep",
        "out",
        "started",
        "status",
    )

    def __init__(self, gateway: Gateway, request: Request, model: str, status: int, headers: Headers) -> None:
        self._gateway = gateway
        self._request = request
        self._model = model
        self.status = status
        self.keep = request.keep and not gateway.closing and not request.streaming
        self.first: float | None = None
        self.started = False
        self.out: list[bytes] = []
        self._held: list[bytes] = []
        self._size = 0
        self._tail = self._last = b""
        self._mid_event = False
        self._copy: Copy | None = None
        self._declaring = request.declaring
        kind = b""
        self._encoded = False
        lines = [_STATUS.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status, gateway.stamp(model)]
        for name, value in headers:
            if name == b"content-type":
                kind = value
            elif name == b"content-encoding":
                self._encoded = True
            if name not in _DROPPED and not name.startswith(_CORS):
                lines.append(b"%b: %b\r\n" % (name, value))
        self._head = lines
        self._json = kind.startswith(b"application/json")
        self._stream = kind.startswith(b"text/event-stream") and status < 400 and not self._encoded
        if self._stream:
            self._copy = gateway.judge.stream(model, request.dialect, self._declaring)
            self._declaring = None
            self._start()
        elif kind.startswith(b"audio/") and status == 200:  # to be heard at once
            self._start()

    def take(self) -> bytes:
        data, self.out = b"".join(self.out), []
        return data

    def body(self, data: bytes) -> None:
        if self._stream:
            self._events(data)
        elif self.started:
            self._frame(data)
        else:
            self._held.append(data)
            self._size += len(data)
            if self._size > self._gateway.limits.hold:
                self._start()
                self._frame(b"".join(self._held))
                self._held = []
                self._gateway.metrics.dropped += 1

    def end(self) -> None:
        """The answer is whole."""
        if not self.started:
            self._whole(b"".join(self._held))
            return
        if self._tail:
            self._frame(self._tail)
            if self._copy is not None:
                self._copy.add(self._tail)
        if self._copy is not None:
            self._copy.end()
        self._last_frame()

    def reads_whole(self, clean: bool) -> bool:
        """For an answer that ends with its connection: a stream by its last event, JSON by reading it. An error always:
        a server that refuses a request unread ends in a reset, and mlx-lm's 404 is plain text that is called JSON."""
        if self._stream:
            return not self.broken
        if self.status >= 400:
            return True
        if self.started or not self._json:
            return clean
        try:
            json.loads(b"".join(self._held))
        except (ValueError, RecursionError):
            return False
        return True

    @property
    def broken(self) -> bool:
        """A stream without its last event. llama-swap ends a reply properly whose engine died in the middle of it
        (seen with kill -9, v250), so framing alone does not tell; an engine may also leave out `[DONE]`."""
        if not self._stream:
            return False
        last = self._last + self._tail
        return not any(mark in last for mark in _ENDS) and not _FINISHED.search(last)

    def break_off(self, refusal: Refusal) -> bool:
        """End a stream with an error event; False where that cannot be: the client must see the connection cut."""
        if not self._stream or self._mid_event:
            return False
        if self._copy is not None:
            self._copy.end()
        self._frame(error_event(refusal, self._request.dialect))
        self._last_frame()
        return True

    def _whole(self, body: bytes) -> None:
        if self.status >= 400 and not self._encoded and not well_formed(body, self._request.dialect):
            body = said_by_engine(self.status, body, self._request.dialect)
            self._head = [line for line in self._head if not line.startswith(b"content-type:")]
            self._head.append(b"content-type: application/json\r\n")
        elif self._json and self.status == 200 and not self._encoded:
            self._gateway.judge.answer(self._model, self._request.dialect, body, self._declaring)
        if not self.keep:
            self._head.append(b"connection: close\r\n")
        if self.status not in (204, 304):
            self._head.append(b"content-length: %d\r\n" % len(body))
        self.out += self._head
        self.out += (b"\r\n", body)
        self.started = True

    def _start(self) -> None:
        self.started = True
        if self._request.modern:
            self._head.append(b"transfer-encoding: chunked\r\n")
        else:
            self.keep = False
        if not self.keep:
            self._head.append(b"connection: close\r\n")
        self.out += self._head
        self.out.append(b"\r\n")

    def _events(self, data: bytes) -> None:
        if self.first is None:
            self.first = self._gateway.clock()
        piece = self._tail + data if self._tail else data
        if piece.endswith((b"\n\n", b"\r\n\r\n")):
            self._tail = b""
            self._mid_event = False
        else:
            cut = max((at + len(b) for b in _BOUNDARIES if (at := piece.rfind(b)) >= 0), default=0)
            self._mid_event = self._mid_event and not cut
            piece, self._tail = piece[:cut], piece[cut:]
            if len(self._tail) > _EVENT:
                self._give_up_on_whole_events()
                piece, self._tail = piece + self._tail, b""
        if piece:
            self._last = piece
            self._frame(piece)
            if self._copy is not None:
                self._copy.add(piece)

    def _give_up_on_whole_events(self) -> None:
        """An event longer than _EVENT passes in pieces: memory matters more than how its engine's death would look."""
        self._mid_event = True
        if self._copy is not None:
            self._gateway.judge.drop(self._copy)
            self._copy = None

    def _frame(self, data: bytes) -> None:
        if self._request.modern:
            self.out.append(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self.out.append(data)

    def _last_frame(self) -> None:
        if self._request.modern:
            self.out.append(b"0\r\n\r\n")
