"""The supervisor as the gateway, the probe and the control socket see it. Imports no runner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

State = Literal["stopped", "starting", "ready", "draining", "failed", "external"]


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a leased model answers. base: API root ending in /v1, without a trailing slash; model: what to write into
    the body's `model`; key: bearer token for it, None = send no Authorization header."""

    base: str
    model: str
    key: str | None = None


class QueueFull(Exception):
    """More requests than concurrency + queue: 429 with Retry-After of `retry_after` seconds."""

    def __init__(self, model: str, retry_after: int = 1) -> None:
        super().__init__(f"{model} is at its limit of running and waiting requests")
        self.retry_after = retry_after


class EngineDown(Exception):
    """The model cannot be had now: its engine failed to start or is being taken down. 503 with the reason.

    `details` is the tail of the engine's log."""

    def __init__(self, text: str, details: tuple[str, ...] = (), retry_after: int = 5) -> None:
        super().__init__(text)
        self.text = text
        self.details = details
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class EngineState:
    """since: unix time of the last change of state; error: why it failed; log: path of its log file."""

    model: str
    state: State
    pid: int | None = None
    port: int | None = None
    since: float = 0.0
    active: int = 0
    queued: int = 0
    restarts: int = 0
    error: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """What the daemon tells its watchers, one JSON object a server-sent event.

    kind: "engine" (state changes and progress lines), "turn" (a probe's turn), "verdict", "gateway", "done", "log".
    """

    kind: str
    model: str = ""
    text: str = ""
    data: dict[str, object] | None = None


Emit = Callable[[Event], None]


class Supervisor(Protocol):
    """A lease is one request's right to use a model: while it is held the model is not evicted.

    `acquire_now` is the hot path: a lease if the model is ready and below its concurrency, else None.
    `acquire` waits: it queues, loads the model, evicts others by the plan's sets. Every lease ends in `release`.
    """

    def acquire_now(self, model: str) -> Upstream | None: ...

    async def acquire(self, model: str) -> Upstream:
        """Raises QueueFull, EngineDown."""
        ...

    def release(self, model: str) -> None: ...

    def direct(self, model: str) -> Upstream:
        """The engine itself, past llama-swap: for the probe, which holds a lease meanwhile."""
        ...

    def suspect(self, model: str) -> None:
        """A connection to the engine failed: look whether it still lives."""
        ...

    def states(self) -> tuple[EngineState, ...]: ...

    async def open(self) -> None:
        """Adopts what a crashed daemon left, ends what does not match, begins to start residents and preloads."""
        ...

    async def load(self, model: str) -> None: ...

    async def unload(self, model: str) -> None: ...

    async def restart(self, model: str) -> None: ...

    async def close(self, *, keep_engines: bool = False) -> None:
        """keep_engines: leave engines (and llama-swap) running for the next daemon to adopt."""
        ...
