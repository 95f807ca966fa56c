"""A supervisor of engines that are simply there: what the gateway's tests and its benchmark lease from."""

from __future__ import annotations

import asyncio

from orchestrator.edge.run.api import EngineDown, EngineState, QueueFull, Upstream


class StaticSupervisor:
    """engines: model id -> where it answers; limit: leases at once for each model, queue: requests that wait beyond.

    down: models that cannot be had; log: (what, model) in the order in which the gateway asked.
    """

    def __init__(self, engines: dict[str, Upstream], *, limit: int = 1_000_000, queue: int = 0) -> None:
        self._engines = engines
        self._limit = limit
        self._queue = queue
        self._waiting: dict[str, list[asyncio.Future[None]]] = {model: [] for model in engines}
        self.active = dict.fromkeys(engines, 0)
        self.down: set[str] = set()
        self.suspected: list[str] = []

    def acquire_now(self, model: str) -> Upstream | None:
        if model in self.down or self.active[model] >= self._limit:
            return None
        self.active[model] += 1
        return self._engines[model]

    async def acquire(self, model: str) -> Upstream:
        if model in self.down:
            raise EngineDown("it did not start", ("the last line of its log",))
        waiting = self._waiting[model]
        if self.active[model] >= self._limit:
            if len(waiting) >= self._queue:
                raise QueueFull(model, retry_after=3)
            turn = asyncio.get_running_loop().create_future()
            waiting.append(turn)
            try:
                await turn
            finally:
                waiting.remove(turn)
        self.active[model] += 1
        return self._engines[model]

    def release(self, model: str) -> None:
        self.active[model] -= 1
        assert self.active[model] >= 0, "a lease was released twice"
        for turn in self._waiting[model]:
            if not turn.done():
                turn.set_result(None)
                break

    def direct(self, model: str) -> Upstream:
        return self._engines[model]

    def suspect(self, model: str) -> None:
        self.suspected.append(model)

    def states(self) -> tuple[EngineState, ...]:
        return tuple(
            EngineState(m, "failed" if m in self.down else "ready", active=n, queued=len(self._waiting[m]))
            for m, n in self.active.items()
        )

    async def open(self) -> None:
        """Nothing to adopt."""

    async def load(self, model: str) -> None:
        self.down.discard(model)

    async def unload(self, model: str) -> None:
        self.down.add(model)

    async def restart(self, model: str) -> None:
        self.down.discard(model)

    async def close(self, *, keep_engines: bool = False) -> None:
        """Nothing to end."""
