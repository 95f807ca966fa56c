"""One client's connection: HTTP/1.1 in, answers out, one request after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

from orchestrator.edge.gateway import tcp
from orchestrator.edge.gateway.answer import Answer, Refusal
from orchestrator.edge.gateway.exchange import Exchange
from orchestrator.edge.gateway.incoming import Incoming
from orchestrator.edge.gateway.request import Request

if TYPE_CHECKING:
    from orchestrator.edge.gateway.gateway import Gateway

_LINGER = 2.0
"""Seconds in which the rest of a refused body is read and thrown away: closing at once would destroy the answer."""
_AHEAD = 4
"""Requests that a client may pipeline before it is not read from any more."""
_HIGH_WATER = 256 << 10
_SLICE = 64 << 10
"""Bytes of a form that are looked at in one go: it may begin to go out after any of them."""


class Client(Incoming):
    __slots__ = (
        "_advancing",
        "_exchange",
        "_held_back",
        "_queue",
        "_request",
        "_transport",
        "paused",
    )

    def __init__(self, gateway: Gateway) -> None:
        super().__init__(gateway)
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._queue: deque[Request] = deque()
        self._request: Request | None = None
        self._advancing = False
        self._held_back = False
        self.paused = False

    # For the exchange

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def done(self, keep: bool) -> None:
        """The exchange has written all of its answer."""
        self._exchange = None
        if self._held_back:
            self.go_on()
        if self._request is not None and self._request.streaming:
            self._request = None
            self._linger()
        elif not keep:
            self._close()
        else:
            self._since = self._gateway.clock()
            if self._queue:
                self._advance()

    def answer(self, answer: Answer, request: Request) -> None:
        """Our own answer, in place of an engine's or to the request whose turn it is."""
        keep = request.keep and not self._gateway.closing and not request.streaming
        self.write(answer.wire(keep, with_body=request.method != "HEAD"))
        self.done(keep)

    def hold_back(self) -> None:
        """The engine, or whoever is before us at it, is slower than this client sends."""
        if not self._held_back and self._transport is not None and not self._transport.is_closing():
            self._held_back = True
            self._transport.pause_reading()

    def go_on(self) -> None:
        if self._held_back and self._transport is not None and not self._transport.is_closing():
            self._held_back = False
            self._since = self._gateway.clock()
            self._transport.resume_reading()

    def cut(self) -> None:
        """The answer cannot be made whole: the client must see that."""
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    # For the gateway

    @property
    def idle(self) -> bool:
        return self._exchange is None and not self._queue and not self._in_head and self._request is None

    def sweep(self, now: float) -> None:
        """Ends what takes too long: headers, a pause in a body, an idle connection. An answer may take any time."""
        limits, waited = self._gateway.limits, now - self._since
        if self._last:
            return
        if self._exchange is not None:
            stalled = self._request is not None and self._request.streaming and not self._held_back
            if stalled and waited > limits.body_time:
                self._exchange.fail(Refusal(408, "the body took too long", "timeout").answer("other"))
        elif self._in_head and waited > limits.head_time:
            self._refuse_now(Refusal(408, "the headers took too long", "timeout"))
        elif self._request is not None and waited > limits.body_time:
            self._refuse_now(Refusal(408, "the body took too long", "timeout"))
        elif self.idle and waited > limits.keep_alive:
            self._close()

    def shut(self, force: bool) -> None:
        """The gateway is closing: an idle connection ends now, a busy one with its answer, or now with `force`."""
        if force and self._transport is not None:
            self._transport.abort()
        elif self.idle:
            self._close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        tcp.watch(self._transport)
        self._since = self._gateway.clock()
        self._gateway.clients.add(self)
        if len(self._gateway.clients) > self._gateway.room:
            self._refuse_now(Refusal(503, "too many connections", "too_many_connections", retry_after=1))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._last = True
        self._gateway.clients.discard(self)
        for request in (self._request, *self._queue):
            if request is not None:
                self._gateway.forget(request)
        self._request = None
        self._queue.clear()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.gone()

    def eof_received(self) -> bool:
        """No more requests: a client that closes its half has gone away, unless it still owes us the rest of one."""
        if (self._request is not None or self._in_head) and self._exchange is None and not self._last:
            self._refuse_now(Refusal(400, "the request ended in the middle", "incomplete_request"))
        return False

    def pause_writing(self) -> None:
        self.paused = True
        if self._exchange is not None:
            self._exchange.pause()

    def resume_writing(self) -> None:
        self.paused = False
        if self._exchange is not None:
            self._exchange.resume()

    # httptools

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._last:
            return
        parser = self._parser
        modern = parser.get_http_version() == "1.1"
        keep = modern and parser.should_keep_alive() and not parser.should_upgrade()
        method = parser.get_method().decode("ascii")
        request = self._request = Request(method, self._url, self._headers, keep, modern)
        if parser.should_upgrade():
            self._owed = request.length or 0
        if self._head_size > self._gateway.limits.head:
            request.answer = self._head_too_large().answer("other")
        else:
            request.answer = self._gateway.admit(request)
        if b"expect" in request.own and request.answer is None:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        elif request.answer is not None and (b"expect" in request.own or (request.length or 0) > _HIGH_WATER):
            self._refuse_now(request.answer)

    def on_body(self, body: bytes) -> None:
        request = self._request
        if request is None or self._last:
            return
        if request.form is not None and len(body) > _SLICE:
            for at in range(0, len(body), _SLICE):
                self.on_body(body[at : at + _SLICE])
            return
        self._since = self._gateway.clock()
        if request.answer is None:
            request.answer = self._gateway.take(request, body)
        else:
            request.size += len(body)
        if request.streaming and self._exchange is not None:
            if request.answer is not None:
                self._exchange.fail(request.answer)
            else:
                self._exchange.more()
        elif request.answer is not None and request.size > _HIGH_WATER:
            self._refuse_now(request.answer)
        elif request.form is not None and request.held > self._gateway.limits.ahead:
            self._stream(request)

    def on_message_complete(self) -> None:
        if self._owed:
            return
        request, self._request = self._request, None
        if request is None or self._last:
            return
        if request.streaming and self._exchange is not None:
            self._exchange.complete()
            return
        if request.answer is None:
            request.answer = self._gateway.close(request)
        self._queue.append(request)
        if self._exchange is None:
            self._advance()
        elif len(self._queue) == _AHEAD and self._transport is not None:
            self._transport.pause_reading()

    # Ours

    def _stream(self, request: Request) -> None:
        """A form whose model is known goes to its engine while it still comes in, if it is its turn."""
        if request.found is None or self._exchange is not None or self._queue:
            return
        request.answer = self._gateway.early(request)
        if request.answer is not None:
            self._refuse_now(request.answer)
            return
        request.streaming = True
        self._exchange = Exchange(self._gateway, self, request, self._gateway.model_of(request))
        self.hold_back()
        self._exchange.start()

    def _advance(self) -> None:
        """Answer what is queued, as far as no exchange is in the way. What an answer calls in turn changes nothing."""
        if self._advancing:
            return
        self._advancing = True
        while self._queue and self._exchange is None and not self._last:
            if len(self._queue) == _AHEAD and self._transport is not None:
                self._transport.resume_reading()
            request = self._queue.popleft()
            if request.answer is not None:
                self._gateway.answered(request, request.answer.status)
                self.answer(request.answer, request)
            else:
                self._exchange = Exchange(self._gateway, self, request, self._gateway.model_of(request))
                self._exchange.start()
        self._advancing = False

    def _refuse_now(self, what: Refusal | Answer) -> None:
        """Answer before the request is whole, and end the connection when the client has had time to read that."""
        if self._last or self._transport is None:
            return
        request, self._request, self._in_head = self._request, None, False
        if request is not None:
            self._gateway.forget(request)
        self._gateway.answered(request, what.status)
        if self._exchange is not None:
            self._last = True
            self._transport.abort()
            return
        answer = what if isinstance(what, Answer) else what.answer("other")
        self.write(answer.wire(keep=False))
        self._linger()

    def _linger(self) -> None:
        """Nothing more is said. What the client still sends is read and thrown away for a while."""
        self._last = True
        if self._transport is not None:
            self._transport.write_eof()
            asyncio.get_running_loop().call_later(_LINGER, self._close)

    def _close(self) -> None:
        self._last = True
        if self._transport is not None:
            self._transport.close()
