"""A service manager as `up`, `down`, `status` and `logs` see it: systemd, launchd, docker compose.

It owns the gateway, llama-swap where that is used, and each resident engine, one unit (agent, service) each. A unit's
text says all that it depends on (hashes of plan, config and launch), so one whose text is the same need not restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.core.plan import Manager as Name
from orchestrator.core.plan import Plan
from orchestrator.core.target import Artifact

Say = Callable[[str], None]
"""Takes a line that people should see: what is done now, or a warning."""


@dataclass(frozen=True, slots=True)
class Applied:
    """Units by name. started: started or restarted; removed: stopped, and their files are gone."""

    started: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class ServiceManager(Protocol):
    """Made for one stack of this user. model None: the gateway."""

    name: Name
    folder: Path
    """Where its files are installed."""
    manifest: Path
    """What edge/write.py remembers of them."""

    def check(self, plan: Plan) -> tuple[str, ...]:
        """Warnings. Raises PlanError (exit 4) where this cannot be had here: no systemd, no linger, no docker."""
        ...

    def installed(self, artifacts: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
        """The rendered files with their paths relative to `folder`."""
        ...

    def pending(self, artifacts: tuple[Artifact, ...]) -> tuple[str, ...]:
        """Lines for a shell: what somebody else (root) has to do first, () where we may do it all or it is done.
        Touches nothing that runs. Raises EngineError."""
        ...

    def apply(self, artifacts: tuple[Artifact, ...], say: Say, *, force: bool = False) -> Applied:
        """Installs what the target rendered, and starts, restarts and ends what must be; returns without waiting for
        readiness. A second time it changes nothing. Raises PlanError where something is pending, Drift (before
        anything is touched), EngineError."""
        ...

    def stop(self) -> bool:
        """Stops and disables all of this stack that is installed; whether anything ran. Needs no plan."""
        ...

    def remove(self) -> None:
        """After `stop`: takes away every file (network, volume, image tag) that it made."""
        ...

    def states(self) -> Mapping[str, str]:
        """Unit -> its state in the manager's own words."""
        ...

    def why(self, model: str | None) -> str:
        """Why its unit has been given up, in words; "" while it runs or may come up."""
        ...

    def verb(self, verb: str, model: str | None) -> None:
        """`load`, `unload`, `restart`: starts, stops, restarts its unit. Raises EngineError."""
        ...

    def logs(self, model: str | None, lines: int, *, follow: bool = False) -> Iterator[str]:
        """The last lines, then (follow) those that come."""
        ...
