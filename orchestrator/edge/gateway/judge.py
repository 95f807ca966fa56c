"""Counts tokens and tool calls from a bounded copy of the answers, after they have gone out."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable

from orchestrator.core.wire.sse import EventTooLong, Parser
from orchestrator.edge.gateway.answer import Dialect
from orchestrator.edge.gateway.metrics import Metrics
from orchestrator.edge.gateway.tally import Tally, whole

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

    def add(self, piece: bytes) -> None:
        if not self.dropped:
            self._judge.put(self, piece)

    def end(self) -> None:
        if not self.dropped:
            self._judge.put(self, b"")

    def read(self, piece: bytes) -> None:
        """Off the hot path. An empty piece is the end."""
        if self.dropped:
            return
        if not piece:
            self.tally.report(self._judge.metrics)
        elif _TELLING.search(piece):
            try:
                for event in self._parser.feed(piece):
                    self.tally.event(event.data)
            except EventTooLong:
                self._judge.drop(self)


class Judge:
    """A queue of at most `limit` bytes and the timer that empties it in short slices. What does not fit is dropped,
    counted as such, and never holds a client up."""

    def __init__(self, metrics: Metrics, limit: int) -> None:
        self.metrics = metrics
        self._limit = limit
        self._held = 0
        self._queue: deque[tuple[Copy | tuple[str, Dialect], bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        metrics.waiting = lambda: self._held

    def stream(self, model: str, dialect: Dialect) -> Copy:
        return Copy(self, model, dialect)

    def answer(self, model: str, dialect: Dialect, body: bytes) -> None:
        """A whole JSON answer."""
        if self._held + len(body) > self._limit:
            self.metrics.dropped += 1
        else:
            self._push((model, dialect), body)

    def put(self, copy: Copy, piece: bytes) -> None:
        if self._held + len(piece) > self._limit:
            self.drop(copy)
        else:
            self._push(copy, piece)

    def drop(self, copy: Copy) -> None:
        copy.dropped = True
        self.metrics.dropped += 1

    def drain(self, clock: Callable[[], float], until: float) -> bool:
        """Count what waits until the clock says `until`; True if something is left."""
        queue = self._queue
        while queue:
            what, data = queue.popleft()
            self._held -= len(data) + _ENTRY
            if isinstance(what, Copy):
                what.read(data)
            else:
                whole(self.metrics, *what, data)
            if clock() > until:
                break
        return bool(queue)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _push(self, what: Copy | tuple[str, Dialect], data: bytes) -> None:
        self._queue.append((what, data))
        self._held += len(data) + _ENTRY
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self._tick)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        left = self.drain(time.monotonic, time.monotonic() + _SLICE)
        self._timer = loop.call_later(_EVERY, self._tick) if left else None


_ENTRY = 200
"""Bytes that a waiting piece takes beside its own."""
