"""Events of the daemon: kept for late watchers, handed to those who listen now."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from orchestrator.edge.run.api import Event

KEEP = 400


class Bus:
    def __init__(self) -> None:
        self._past: deque[Event] = deque(maxlen=KEEP)
        self._watchers: set[asyncio.Queue[Event]] = set()

    def emit(self, event: Event) -> None:
        """Never waits: a watcher that does not read loses the oldest of what it has not read."""
        self._past.append(event)
        for queue in self._watchers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    def forget(self) -> None:
        """A new attempt begins: late watchers see it from here."""
        self._past.clear()

    async def watch(self, *, past: bool) -> AsyncIterator[Event]:
        """Events until the caller stops; with `past`, those that are kept come first."""
        queue: asyncio.Queue[Event] = asyncio.Queue(maxsize=KEEP * 2)
        if past:
            for event in self._past:
                queue.put_nowait(event)
        self._watchers.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.discard(queue)
