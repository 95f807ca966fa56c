"""Counts tokens and tool calls from a bounded copy of the answers, after they have gone out."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable

from orchestrator.core.wire.sse import EventTooLong, Parser
from orchestrator.edge.gateway.answer import Dialect
from orchestrator.edge.gateway.declared import BODY_LIMIT, NONE, Body, Declarations, Declared
from orchestrator.edge.gateway.metrics import Metrics
from orchestrator.edge.gateway.tally import Tally, telling, whole

_SLICE = 0.002
"""Seconds of counting before the loop gets its turn again, and of every _EVERY at most."""
_EVERY = 0.01
_TELLING = re.compile(rb'"usage"\s*:\s*\{|"tool_calls"|"tool_use"|"input_json_delta"|"function_call')


class Copy:
    """The copy of one stream. Only pieces of whole events are given, so one that tells nothing is not parsed."""

    __slots__ = ("_judge", "_parser", "dropped", "tally")

    def __init__(self, judge: Judge, model: str, dialect: Dialect) -> None:
        self._judge = judge
        self._parser = Parser(limit=1 << 20)
        self.tally = Tally(model, dialect)
        self.dropped = False

    def declare(self, body: Body) -> None:
        """Off the hot path: the request that it answers."""
        self.tally.tools = self._judge.declarations.of(body)

    def add(self, piece: bytes) -> None:
        if not self.dropped:
            self._judge.put(self, piece)

    def end(self) -> None:
        if not self.dropped:
            self._judge.put(self, b"")

    def read(self, piece: Body) -> None:
        """Off the hot path. An empty piece is the end."""
        if self.dropped:
            return
        if not piece:
            self.tally.report(self._judge.metrics)
        elif _TELLING.search(piece):
            try:
                for event in self._parser.feed(bytes(piece)):
                    self.tally.event(event.data)
            except EventTooLong:
                self._judge.drop(self)


_Work = Copy | tuple[str, Dialect, Body | None] | Callable[[Body], None]
"""A stream's piece, a whole answer (its model, its API, its request), or what reads a request."""


class Judge:
    """A queue of at most `limit` bytes and the timer that empties it in short slices. What does not fit is dropped,
    counted as such, and never holds a client up. Of requests and answers nothing is kept but numbers."""

    def __init__(self, metrics: Metrics, limit: int) -> None:
        self.metrics = metrics
        self.declarations = Declarations()
        self._limit = limit
        self._held = 0
        self._queue: deque[tuple[_Work, Body, int]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        metrics.waiting = lambda: self._held

    def stream(self, model: str, dialect: Dialect, request: Body | None = None) -> Copy:
        """request: the body that is answered, None = it declares no tools."""
        copy = Copy(self, model, dialect)
        if request is not None:
            copy.tally.tools = None
            if self._fits(len(request)):
                self._push(copy.declare, request, len(request))
        return copy

    def answer(self, model: str, dialect: Dialect, body: bytes, request: Body | None = None) -> None:
        """A whole JSON answer."""
        size = len(body)
        if self._held + size > self._limit:
            self.metrics.dropped += 1
            return
        if request is not None:
            request = request if self._fits(size + len(request)) else b""
            size += len(request)
        self._push((model, dialect, request), body, size)

    def put(self, copy: Copy, piece: bytes) -> None:
        if self._held + len(piece) > self._limit:
            self.drop(copy)
        else:
            self._push(copy, piece, len(piece))

    def drop(self, copy: Copy) -> None:
        copy.dropped = True
        self.metrics.dropped += 1

    def drain(self, clock: Callable[[], float], until: float) -> bool:
        """Count what waits until the clock says `until`; True if something is left."""
        queue = self._queue
        while queue:
            work, data, size = queue.popleft()
            self._held -= size + _ENTRY
            if isinstance(work, Copy):
                work.read(data)
            elif isinstance(work, tuple):
                self._whole(*work, data)
            else:
                work(data)
            if clock() > until:
                break
        return bool(queue)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fits(self, size: int) -> bool:
        return size <= BODY_LIMIT and self._held + size <= self._limit

    def _whole(self, model: str, dialect: Dialect, request: Body | None, body: Body) -> None:
        """What an answer without calls declares is not looked at."""
        tools: Declared | None = NONE
        if request is not None:
            tools = self.declarations.of(request) if telling(body) else None
        whole(self.metrics, model, dialect, body, tools)

    def _push(self, work: _Work, data: Body, size: int) -> None:
        self._queue.append((work, data, size))
        self._held += size + _ENTRY
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self._tick)

    def _tick(self) -> None:
        self._timer = None  # first, so that a bug in here does not end the counting
        if self.drain(time.monotonic, time.monotonic() + _SLICE):
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self._tick)


_ENTRY = 200
"""Bytes that a waiting piece takes beside its own."""
