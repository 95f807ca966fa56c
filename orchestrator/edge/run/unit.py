"""One launch under the scheduler: its state, the requests that run and wait, the failures in a row."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from orchestrator.core.launch import Attach, Launch
from orchestrator.core.schedule import Seat, backoff
from orchestrator.edge.run.api import EngineDown, EngineState, QueueFull, State, Upstream
from orchestrator.edge.run.foreground import MUST

RESTARTS = 5
"""Failures in a row after which an engine is left alone until somebody asks for it by `stack load` or `restart`."""
LIVED = 60.0
"""Seconds after its last use: an engine that dies later has not failed to start."""
AWAY = 2.0
"""Seconds until an engine is tried again that failed by no fault of its own (docker is stopped)."""


class Unit:
    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.attached = isinstance(launch.how, Attach)
        self.resident = launch.serving.residency == "resident"
        self.state: State = "external" if self.attached else "stopped"
        self.upstream: Upstream | None = None
        self.active = 0
        self.waiting: deque[tuple[asyncio.Future[Upstream], float]] = deque()
        self.loaders: list[asyncio.Future[None]] = []
        self.hold = False
        """An operator unloaded it: a resident stays down until it is asked for."""
        self.wish: float | None = None
        """Since when it should run without a request: a resident, a preload, `stack load`."""
        self.failures = 0
        self.restarts = 0
        self.not_before = 0.0
        self.used = 0.0
        self.since = time.time()
        self.error = ""
        self.details: tuple[str, ...] = ()

    @property
    def open(self) -> bool:
        """Whether a lease could be had at once."""
        return self.state in ("ready", "external") and self.active < self.launch.serving.concurrency

    def become(self, state: State, error: str = "", details: tuple[str, ...] = ()) -> None:
        self.state, self.error, self.details, self.since = state, error, details, time.time()

    def queue(self, now: float) -> asyncio.Future[Upstream]:
        """A place in the queue. Raises QueueFull, and EngineDown while it is backing off or has been given up."""
        if self.state in ("stopped", "failed") and self.error and (self.failures > RESTARTS or now < self.not_before):
            raise EngineDown(self.error, self.details, retry_after=max(1, round(self.not_before - now)))
        if self.active + len(self.waiting) >= self.launch.serving.concurrency + self.launch.serving.queue:
            raise QueueFull(self.launch.model)
        future: asyncio.Future[Upstream] = asyncio.get_running_loop().create_future()
        self.waiting.append((future, now))
        return future

    def grant(self) -> None:
        """Hands leases to those who wait longest, as many as there is room for."""
        while self.waiting and self.open and self.upstream is not None:
            future, _ = self.waiting.popleft()
            if not future.done():
                self.active += 1
                future.set_result(self.upstream)

    def refuse(self, error: EngineDown) -> None:
        """Nobody waits for what has failed."""
        while self.waiting:
            future, _ = self.waiting.popleft()
            if not future.done():
                future.set_exception(error)
        for loader in self.loaders:
            if not loader.done():
                loader.set_exception(error)
        self.loaders.clear()

    def failed(self, now: float, error: str, details: tuple[str, ...]) -> EngineDown:
        hopeless = MUST in error
        self.failures = RESTARTS + 1 if hopeless else self.failures + 1
        self.not_before = now + backoff(self.failures)
        if self.failures > RESTARTS:
            often = "" if hopeless else f" after {self.failures} failures in a row"
            error += f" (given up{often}: `stack restart {self.launch.model}`)"
        self.become("failed", error, details)
        return EngineDown(error, details, retry_after=max(1, round(self.not_before - now)))

    def died(self, now: float, why: str, details: tuple[str, ...]) -> str:
        """While it served; what to say of it. One that a service manager starts again is waited for."""
        self.failures = 0 if now - self.used > LIVED else self.failures
        self.restarts += 1
        if self.launch.ours:
            self.failed(now, why, details)
            return f"{why}; it is started again when it is needed"
        self.become("stopped")
        return why

    def away(self, now: float, error: str) -> EngineDown:
        """What it runs in is away: no failure of its own, so it is never given up."""
        self.not_before = now + AWAY
        self.become("failed", error)
        return EngineDown(error, retry_after=round(AWAY))

    def ready(self, upstream: Upstream, now: float) -> None:
        self.upstream, self.used, self.wish = upstream, now, None
        self.become("ready")
        for loader in self.loaders:
            if not loader.done():
                loader.set_result(None)
        self.loaders.clear()
        self.grant()

    def seat(self) -> Seat:
        """How core/schedule.py sees it. `failed` is stopped: its back-off says when it may be tried again."""
        wants = [when for future, when in self.waiting if not future.done()]
        if self.wish is not None and self.failures <= RESTARTS:
            wants.append(self.wish)
        state = "stopped" if self.state == "failed" else self.state
        assert state != "external"
        return Seat(
            model=self.launch.model,
            state=state,
            wanted=min(wants, default=None),
            not_before=self.not_before,
            used=self.used,
            active=self.active,
            fixed=self.resident and not self.hold,
            ttl=self.launch.serving.ttl,
        )

    def report(self, pid: int | None, log: str) -> EngineState:
        return EngineState(
            model=self.launch.model,
            state=self.state,
            pid=pid,
            port=self.launch.port,
            since=self.since,
            active=self.active,
            queued=len(self.waiting),
            restarts=self.restarts,
            error=self.error,
            log=log,
        )
