"""One HTTP/1.1 connection to an engine: bytes out, a parsed answer in."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol, cast

import httptools

from orchestrator.edge.gateway import tcp

if TYPE_CHECKING:
    from orchestrator.edge.gateway.pool import Pool

log = logging.getLogger(__name__)

Headers = list[tuple[bytes, bytes]]
_SIZES = (b"content-length", b"transfer-encoding")
_HEAD_LIMIT = 256 << 10
_COPY = 64 << 10
"""Bytes of a body that are cheaper to copy beside the head than to write on their own."""


class Sink(Protocol):
    """Who gets the answer: in the end one of `ended`, `lost` (began: a first byte had come) and `closed`: it had no
    length and ended with its connection, so that nobody knows whether it is whole (clean: not by a reset). Before that,
    `full`: whether the engine is slower than what is sent to it."""

    def head(self, status: int, headers: Headers, until_close: bool) -> None: ...
    def body(self, data: bytes) -> None: ...
    def flush(self) -> None: ...
    def ended(self) -> None: ...
    def lost(self, began: bool) -> None: ...
    def full(self, full: bool) -> None: ...
    def closed(self, clean: bool) -> None: ...


class Connection(asyncio.Protocol):
    __slots__ = (
        "_began",
        "_done",
        "_head_size",
        "_headers",
        "_in_body",
        "_keep",
        "_parser",
        "_paused",
        "_pool",
        "_sink",
        "_sized",
        "_transport",
        "_until_close",
        "idle_since",
        "sending",
        "used",
    )

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._sink: Sink | None = None
        self._headers: Headers = []
        self._began = self._done = self._in_body = self._until_close = self._keep = self._paused = False
        self._head_size = 0
        self._sized = False
        self.idle_since = 0.0
        self.used = False
        self.sending = False

    @property
    def closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def send(self, sink: Sink, head: bytes, body: bytes, whole: bool = True) -> None:
        """Write a request; its answer goes to `sink`. Unless it is whole, `more` follows."""
        self._sink = sink
        self.sending = not whole
        self._began = self._done = self._in_body = self._until_close = False
        self.resume()
        if self._transport is None:
            return
        if len(body) < _COPY:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    def more(self, data: bytes, last: bool) -> None:
        """A further piece of the request's body."""
        self.sending = not last
        if self._transport is not None and data:
            self._transport.write(data)

    def pause(self) -> None:
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def drop(self) -> None:
        """Nobody wants the answer any more: close at once, which is how the engine hears of it."""
        self._sink = None
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        tcp.watch(self._transport)

    def data_received(self, data: bytes) -> None:
        sink = self._sink
        if sink is None:
            self.drop()
            return
        self._began = True
        if not self._in_body:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            log.exception("while reading an answer")
            self._fail()
            return
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail()
            return
        if self._sink is not sink:
            return
        if self._done:
            self._finish(sink)
        elif not self._in_body and self._head_size > _HEAD_LIMIT:
            self._fail()
        else:
            sink.flush()

    def pause_writing(self) -> None:
        if self.sending and self._sink is not None:
            self._sink.full(True)

    def resume_writing(self) -> None:
        if self._sink is not None:
            self._sink.full(False)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        sink, self._sink, self._transport = self._sink, None, None
        if sink is None:
            self._pool.forget(self)
        elif self._until_close and self._in_body:
            sink.closed(exc is None)
        else:
            sink.lost(self._began)

    def _fail(self) -> None:
        sink, self._sink = self._sink, None
        self.drop()
        if sink is not None:
            sink.lost(True)

    def _finish(self, sink: Sink) -> None:
        self._sink = None
        self.used = True
        if self.sending or (self._transport is not None and self._transport.get_write_buffer_size()):
            self.drop()  # it has answered before it has read all
        elif self._keep and not self.closing:
            self._pool.give(self)
        else:
            self.close()
        sink.ended()

    # httptools

    def on_message_begin(self) -> None:
        if self._done:
            self._keep = False  # an answer that nobody asked for: this connection cannot be trusted
        self._headers = []
        self._head_size = 0
        self._sized = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in _SIZES:
            self._sized = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200 or self._done or self._sink is None:
            return
        self._in_body = True
        self._until_close = not self._sized and status not in (204, 304)
        self._sink.head(status, self._headers, self._until_close)

    def on_body(self, body: bytes) -> None:
        if self._sink is not None and not self._done:
            self._sink.body(body)

    def on_message_complete(self) -> None:
        if self._in_body and not self._done:
            self._done = True
            self._keep = self._parser.should_keep_alive()  # known only here: llhttp forgets it afterwards
