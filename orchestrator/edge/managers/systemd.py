"""The stack as units of the user's own systemd."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.plan import Manager
from orchestrator.core.systemd_units import unit_name
from orchestrator.core.target import Artifact
from orchestrator.edge import site
from orchestrator.edge.managers.api import Applied, Say
from orchestrator.edge.managers.parts import part
from orchestrator.edge.managers.systemd_ask import Systemctl
from orchestrator.edge.write import compare, listed, refuse_drift, write
from orchestrator.errors import EngineError, PlanError

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.edge.paths import StackPaths

LINGER = Path("/var/lib/systemd/linger")
"""One file a user whose services run without a login (logind's own record, also without a bus)."""


@dataclass(frozen=True, slots=True)
class Todo:
    """What `up` has to do, by unit files' names. gone: ours, and not rendered any more; again: up, and another text by
    now; down: services that do not run, once `again` are stopped; stale: whether any file is to be written;
    failed: given up."""

    target: str
    gone: tuple[str, ...]
    again: tuple[str, ...]
    down: tuple[str, ...]
    stale: bool
    failed: tuple[str, ...] = ()


class Systemd:
    name: Manager = "systemd"
    wanted_by = "default.target"
    system = False

    def __init__(self, paths: StackPaths, *, declared: tuple[str, ...] = ()) -> None:
        """declared: the services' names where somebody else wrote them, and no manifest lists them."""
        here = site.here(paths.name)
        self._declared = tuple(f"{name}.service" for name in declared)
        self._stack, self._user = paths.name, here.user
        self._ask = Systemctl(system=self.system)
        self.folder = Path(here.config) / "systemd" / "user"
        self.manifest = paths.state / f"{self.name}.json"

    def check(self, plan: Plan) -> tuple[str, ...]:
        if why := self._ask.reachable():
            raise PlanError(f"the systemd of {self._user} cannot be asked: {why}", mend=self._login())
        if str(self.folder) not in self._ask.unit_path():
            text = f"the systemd of {self._user} does not look for units in {self.folder}"
            raise PlanError(text, mend="unset XDG_CONFIG_HOME, or set it for systemd too (environment.d(5))")
        if plan.stack.service == "boot" and not (LINGER / self._user).exists():
            text = f"service: boot, but what {self._user} runs ends with the last logout (no linger)"
            raise PlanError(text, mend=f"sudo loginctl enable-linger {self._user}")
        return ()

    def installed(self, artifacts: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
        return tuple(Artifact(a.path.removeprefix(f"{self.name}/"), a.text, a.mode, a.notes) for a in artifacts)

    def pending(self, artifacts: tuple[Artifact, ...]) -> tuple[str, ...]:
        return ()

    def apply(self, artifacts: tuple[Artifact, ...], say: Say, *, force: bool = False) -> Applied:
        """What changes is stopped first: after a crash anywhere here the next `up` finds it down, and goes on."""
        if not force:
            refuse_drift(artifacts, self.folder, self.manifest)
        todo = self._todo(artifacts)
        if todo.gone or todo.again:
            say(f"systemd stops {', '.join((*todo.gone, *todo.again))}")
        self._end(todo.gone)
        if todo.again:
            self._ask.tell("stop", "--", *todo.again)
        write(artifacts, self.folder, self.manifest, force=force)
        self._ask.tell("daemon-reload")
        self._ask.tell("enable", "--quiet", todo.target)
        if todo.down:
            say(f"systemd starts {', '.join(todo.down)}")
            self._ask.tell("reset-failed", "--", *todo.down, check=False)
        self._ask.tell("start", "--", todo.target, *todo.down)
        return Applied(tuple(name.removesuffix(".service") for name in todo.down), todo.gone)

    def _todo(self, artifacts: tuple[Artifact, ...]) -> Todo:
        wanted = {artifact.path for artifact in artifacts}
        services = sorted(name for name in wanted if name.endswith(".service"))
        (target,) = wanted - set(services)
        found = compare(artifacts, self.folder, self.manifest)
        stale = {*found.changed, *found.edited}
        states = self._ask.states(services)
        return Todo(
            target,
            gone=tuple(name for name in self._units() if name not in wanted),
            again=tuple(name for name, state in states.items() if state.up and name in stale),
            down=tuple(name for name, state in states.items() if not state.up or name in stale),
            stale=bool(stale),
            failed=tuple(name for name, state in states.items() if state.active == "failed"),
        )

    def stop(self) -> bool:
        """Raises EngineError also where nobody can be asked: what is enabled would start again."""
        found = self._units()
        if found and (why := self._ask.reachable()):
            raise EngineError(f"the systemd of {self._user} cannot be asked: {why}", mend=self._login())
        up = any(state.up for state in self._ask.states(found).values())
        self._end(found)
        return up

    def remove(self) -> None:
        found = self._units()
        write((), self.folder, self.manifest, force=True)
        self.manifest.unlink(missing_ok=True)
        wants = self.folder / f"{self.wanted_by}.wants"
        for name in found:  # `disable` does this, but not for a target whose own file is gone
            (wants / name).unlink(missing_ok=True)
        for folder in () if self.system else (wants, self.folder, self.folder.parent):
            with contextlib.suppress(OSError):  # others have theirs there
                folder.rmdir()
        if found:
            self._ask.tell("daemon-reload")
            self._ask.tell("reset-failed", "--", *found, check=False)

    def states(self) -> Mapping[str, str]:
        """ "unknown" with the reason where nobody can be asked: the gateway may answer all the same."""
        found = self._units()
        try:
            return {name: state.words for name, state in self._ask.states(found).items()}
        except EngineError as error:
            return dict.fromkeys(found, f"unknown ({error.text})")

    def known(self) -> bool:
        """Whether there is a unit of the gateway, whoever wrote it. Raises EngineError where nobody can be asked."""
        unit = self._unit(None)
        return self._ask.states([unit])[unit].loaded

    def why(self, model: str | None) -> str:
        unit = self._unit(model)
        state = self._ask.states([unit])[unit]
        return state.given_up if state.loaded else "systemd has no unit of it"

    def verb(self, verb: str, model: str | None) -> None:
        unit = self._unit(model)
        if verb == "unload":
            self._ask.tell("stop", "--", unit)
            return
        self._ask.tell("reset-failed", "--", unit, check=False)
        self._ask.tell("restart" if verb == "restart" else "start", "--", unit)

    def logs(self, model: str | None, lines: int, *, follow: bool = False) -> Iterator[str]:
        return self._ask.journal(self._unit(model), lines, follow=follow)

    def _unit(self, model: str | None) -> str:
        return f"{unit_name(self._stack, part(model))}.service"

    def _units(self) -> tuple[str, ...]:
        """File names of what is installed, the target's too."""
        return self._declared or listed(self.manifest)

    def _end(self, units: tuple[str, ...]) -> None:
        """Stops and disables; a failed one counts as ended. Raises EngineError."""
        found = self._ask.states(units)
        targets = [name for name, state in found.items() if name.endswith(".target") and state.loaded]
        known = [name for name, state in found.items() if state.loaded or state.up]
        if targets:
            self._ask.tell("disable", "--quiet", "--", *targets)
        if known:
            self._ask.tell("stop", "--", *known)
        left = [name for name, state in self._ask.states(known).items() if state.up]
        if left:
            raise EngineError(f"systemd does not stop {', '.join(left)}", mend=" ".join((*self._ask.words, "status")))

    def _login(self) -> str:
        return f"log in as {self._user} (not by su or sudo); ssh is a login"
