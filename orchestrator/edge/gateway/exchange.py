"""One proxied request, from the lease to the last byte. No task on the hot path: callbacks from both connections."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from orchestrator.core.wire.part import NotForm
from orchestrator.core.wire.rewrite import change
from orchestrator.edge.gateway.answer import Answer, Refusal
from orchestrator.edge.gateway.reply import Reply
from orchestrator.edge.gateway.request import Request, not_form
from orchestrator.edge.gateway.upstream import Connection, Headers
from orchestrator.edge.run.api import EngineDown, QueueFull, Upstream

if TYPE_CHECKING:
    from orchestrator.edge.gateway.client import Client
    from orchestrator.edge.gateway.gateway import Gateway

log = logging.getLogger(__name__)

GONE = 499
"""The client went away (nginx's number). In metrics only: nobody is there to read it."""


class Exchange:
    """`start` once; then exactly one of: the client's `done`, or `gone` from the client. Either releases the lease."""

    __slots__ = (
        "_begun",
        "_chunked",
        "_client",
        "_connection",
        "_ended",
        "_fresh",
        "_gateway",
        "_lease",
        "_model",
        "_reply",
        "_request",
        "_task",
    )

    def __init__(self, gateway: Gateway, client: Client, request: Request, model: str) -> None:
        self._gateway = gateway
        self._client = client
        self._request = request
        self._model = model
        self._begun = gateway.clock()
        self._lease: Upstream | None = None
        self._connection: Connection | None = None
        self._fresh = False
        self._task: asyncio.Task[None] | None = None
        self._reply: Reply | None = None
        self._ended = False
        self._chunked = False

    def start(self) -> None:
        lease = self._gateway.supervisor.acquire_now(self._model)
        if lease is not None:
            self._leased(lease)
        else:
            self._task = asyncio.get_running_loop().create_task(self._wait())

    def gone(self) -> None:
        """The client closed: whoever works for it is told by closing too."""
        if self._ended:
            return
        if self._task is not None:
            self._task.cancel()
        if self._connection is not None:
            self._connection.drop()
        self._finish(GONE)

    def fail(self, answer: Answer) -> None:
        """What the client sends cannot be taken."""
        if self._ended:
            return
        if self._task is not None:
            self._task.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()
        self._finish(answer.status)
        if self._reply is not None and self._reply.started:
            self._client.cut()
        else:
            self._client.answer(answer, self._request)

    def more(self) -> None:
        """A piece of the form has come in."""
        form = self._request.form
        if form is not None and form.begun and self._connection is not None:
            self._connection.more(self._framed(form.take()), last=False)

    def complete(self) -> None:
        """All of the form has come in."""
        refusal, form = self._request.close(), self._request.form
        if refusal is not None:
            self.fail(refusal.answer(self._request.dialect))
            return
        self._request.streaming = False
        self._client.go_on()
        if form is not None and form.begun and self._connection is not None:
            self._connection.more(self._framed(form.take()) + b"0\r\n\r\n" * self._chunked, last=True)

    def pause(self) -> None:
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        if self._connection is not None:
            self._connection.resume()

    async def _wait(self) -> None:
        try:
            lease = await self._gateway.supervisor.acquire(self._model)
        except QueueFull as full:
            self._refuse(Refusal(429, str(full), "queue_full", retry_after=full.retry_after))
        except EngineDown as down:
            text = "\n".join((f"{self._model}: {down.text}", *down.details[-5:]))
            self._refuse(Refusal(503, text, "engine_down", retry_after=down.retry_after))
        except Exception:
            self._bug()
        else:
            self._task = None
            if self._ended:
                self._gateway.supervisor.release(self._model)
            else:
                self._leased(lease)

    def _leased(self, lease: Upstream) -> None:
        self._lease = lease
        try:
            pool = self._gateway.pools.of(lease.base)
            connection = None if self._request.streaming else pool.take()  # what has gone out cannot be sent again
        except ValueError:
            self._bug()
            return
        if connection is not None:
            self._send(connection)
        else:
            self._task = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        assert self._lease is not None
        self._fresh = True
        try:
            connection = await self._gateway.pools.of(self._lease.base).connect()
        except (OSError, TimeoutError) as error:
            self._task = None
            self._gateway.supervisor.suspect(self._model)
            text = f"{self._model}: its engine does not take connections ({error or 'timed out'})"
            self._refuse(Refusal(502, text, "engine_unreachable"))
            return
        self._task = None
        if self._ended:
            connection.close()
        else:
            self._send(connection)

    def _send(self, connection: Connection) -> None:
        lease, request = self._lease, self._request
        assert lease is not None
        try:
            body, framing = self._body(lease.model)
        except NotForm as bad:
            connection.close()
            self._refuse(not_form(bad))
            return
        self._connection = connection
        if self._client.paused:
            connection.pause()
        head = b"%b%b%b\r\n" % (self._gateway.preamble(lease, request), request.passed, framing)
        if request.streaming:
            self._client.go_on()
        connection.send(self, head, body, whole=not request.streaming)

    def _body(self, model: str) -> tuple[bytes, bytes]:
        """(what goes out of it now, the header line that says how long it is)."""
        request = self._request
        edits, form = self._gateway.edits(request), request.form
        if form is None:
            assert request.found is not None
            body = change(request.body, request.found, model, edits)
        elif not request.streaming:
            body = form.whole(model, edits)
        else:
            grows = form.begin(model, edits)
            self._gateway.let_go(request)
            if grows is not None and request.length is not None:
                return form.take(), b"content-length: %d\r\n" % (request.length + grows)
            self._chunked = True
            return self._framed(form.take()), b"transfer-encoding: chunked\r\n"
        return body, b"content-length: %d\r\n" % len(body)

    def _framed(self, piece: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(piece), piece) if self._chunked and piece else piece

    # upstream.Sink

    def head(self, status: int, headers: Headers, until_close: bool) -> None:
        self._reply = Reply(self._gateway, self._request, self._model, status, headers)
        if not self._request.streaming:
            self._request.forget()

    def full(self, full: bool) -> None:
        if full:
            self._client.hold_back()
        else:
            self._client.go_on()

    def body(self, data: bytes) -> None:
        if self._reply is not None:
            self._reply.body(data)

    def flush(self) -> None:
        if self._reply is not None and self._reply.out:
            self._client.write(self._reply.take())

    def ended(self) -> None:
        self._connection = None
        reply = self._reply
        assert reply is not None
        if reply.broken:
            self.lost(True)
            return
        reply.end()
        self._client.write(reply.take())
        self._finish(reply.status, reply.first)
        self._client.done(reply.keep)

    def closed(self, clean: bool) -> None:
        """The answer had no length and its connection is closed: whole only if it reads so."""
        if self._reply is not None and self._reply.reads_whole(clean):
            self.ended()
        else:
            self.lost(True)

    def lost(self, began: bool) -> None:
        connection, self._connection = self._connection, None
        if not began and not self._fresh and connection is not None:
            self._gateway.metrics.retries += 1
            self._task = asyncio.get_running_loop().create_task(self._connect())
            return
        self._gateway.supervisor.suspect(self._model)
        refusal = Refusal(
            502, f"{self._model}: its engine closed the connection before the answer was whole", "engine_lost"
        )
        reply = self._reply
        if reply is None or not reply.started:
            self._refuse(refusal)
        elif reply.break_off(refusal):
            self._client.write(reply.take())
            self._finish(502, reply.first)
            self._client.done(reply.keep)
        else:
            self._finish(502, reply.first)
            self._client.cut()

    def _bug(self) -> None:
        """Nobody else would hear of it: the client gets an answer, the log the reason."""
        log.exception("while serving %s", self._model)
        self._refuse(Refusal(500, "internal error", "internal_error"))

    def _refuse(self, refusal: Refusal) -> None:
        if self._ended:
            return
        self._finish(refusal.status)
        self._client.answer(refusal.answer(self._request.dialect), self._request)

    def _finish(self, status: int, first: float | None = None) -> None:
        self._ended = True
        if self._lease is not None:
            self._gateway.supervisor.release(self._model)
            self._lease = None
        self._gateway.forget(self._request)
        seconds = self._gateway.clock() - self._begun
        series = self._gateway.metrics.series(self._model, self._request.path)
        series.done(status, seconds, None if first is None else first - self._begun)
