"""What the scheduler asks of whoever starts and stops engines: our own processes, or llama-swap."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from orchestrator.core.launch import Launch
from orchestrator.edge.run.api import Upstream
from orchestrator.errors import EngineError


class Unavailable(EngineError):
    """What an engine runs in is away (docker is stopped): no failure of the engine, so it is not given up."""


class Engines(Protocol):
    kind: str

    async def open(self) -> Collection[str]:
        """Model ids whose running engines match the plan; all else of this stack's has been ended."""
        ...

    async def start(self, launch: Launch) -> None:
        """Returns once it has been started (not yet ready). Raises EngineError, PortTaken."""
        ...

    async def rest(self, launch: Launch) -> bool:
        """Puts it to sleep: it gives its memory back and is no longer alive, and `start` wakes it. False: it cannot."""
        ...

    async def stop(self, launch: Launch) -> None:
        """Returns once its processes are gone and its port is free. Raises EngineError if that cannot be had."""
        ...

    async def alive(self) -> Collection[str]:
        """Model ids whose engine runs now. Cheap: called several times a second."""
        ...

    def upstream(self, launch: Launch) -> Upstream:
        """Where the gateway sends requests for it."""
        ...

    def pid(self, model: str) -> int | None: ...

    def log(self, model: str) -> str:
        """Path of its log file."""
        ...

    def why(self, model: str) -> str:
        """Why its engine is gone, in words (`exited with 2`); "" if that is not known."""
        ...

    async def close(self, *, keep_engines: bool) -> None: ...
