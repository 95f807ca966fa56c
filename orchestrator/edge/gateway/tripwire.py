"""Tells of the first request for a model, before it has its lease. Requests pay nothing while nobody waits for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from orchestrator.edge.run.api import Upstream


class Leases(Protocol):
    """What a request asks of the supervisor (edge/run/api.py)."""

    def acquire_now(self, model: str) -> Upstream | None: ...
    async def acquire(self, model: str) -> Upstream: ...
    def release(self, model: str) -> None: ...
    def suspect(self, model: str) -> None: ...


class Tripwire:
    """Stands before the supervisor for as long as it is stretched. `ring` must not fail and must not wait."""

    def __init__(self, leases: Leases, model: str, ring: Callable[[], None]) -> None:
        self._leases = leases
        self._model = model
        self._ring = ring
        self.release = leases.release
        self.suspect = leases.suspect

    def acquire_now(self, model: str) -> Upstream | None:
        if model == self._model:
            self._ring()
        return self._leases.acquire_now(model)

    async def acquire(self, model: str) -> Upstream:
        return await self._leases.acquire(model)
