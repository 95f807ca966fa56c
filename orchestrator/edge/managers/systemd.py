"""The stack as units of the user's own systemd."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.plan import Manager, slug
from orchestrator.core.target import Artifact
from orchestrator.core.targets.systemd import GATEWAY, SWAP, unit_name
from orchestrator.edge import site
from orchestrator.edge.managers import systemd_ask as ask
from orchestrator.edge.managers.api import Applied, Say
from orchestrator.edge.run import identity
from orchestrator.edge.write import compare, listed, refuse_drift, write
from orchestrator.errors import EngineError, PlanError

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.edge.paths import StackPaths

LINGER = Path("/var/lib/systemd/linger")
"""One file a user whose services run without a login (logind's own record, also without a bus)."""
FOLDER = "systemd/"
WANTS = "default.target.wants"
"""Where `systemctl enable` links a target that says `WantedBy=default.target`."""


class Systemd:
    name: Manager = "systemd"

    def __init__(self, paths: StackPaths) -> None:
        self._stack = paths.name
        here = site.here(paths.name)
        self._user = here.user
        self.folder = Path(here.config) / "systemd" / "user"
        self.manifest = paths.state / "systemd.json"

    def check(self, plan: Plan) -> tuple[str, ...]:
        if why := ask.reachable():
            raise PlanError(f"the systemd of {self._user} cannot be asked: {why}", mend=self._login())
        if str(self.folder) not in ask.unit_path():
            text = f"the systemd of {self._user} does not look for units in {self.folder}"
            raise PlanError(text, mend="unset XDG_CONFIG_HOME, or set it for systemd too (environment.d(5))")
        if plan.stack.service == "boot" and not (LINGER / self._user).exists():
            text = f"service: boot, but what {self._user} runs ends with the last logout (no linger)"
            raise PlanError(text, mend=f"sudo loginctl enable-linger {self._user}")
        return ()

    def installed(self, artifacts: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
        return tuple(Artifact(a.path.removeprefix(FOLDER), a.text, a.mode, a.notes) for a in artifacts)

    def apply(self, artifacts: tuple[Artifact, ...], say: Say, *, force: bool = False) -> Applied:
        """What changes is stopped first: after a crash anywhere here the next `up` finds it down, and goes on."""
        if not force:
            refuse_drift(artifacts, self.folder, self.manifest)
        wanted = {artifact.path for artifact in artifacts}
        services = sorted(name for name in wanted if name.endswith(".service"))
        (target,) = wanted - set(services)
        found = compare(artifacts, self.folder, self.manifest)
        gone = tuple(name for name in self._units() if name not in wanted)
        stale = {*found.changed, *found.edited}
        again = [name for name, state in ask.states(services).items() if state.up and name in stale]
        if gone or again:
            say(f"systemd stops {', '.join((*gone, *again))}")
        self._end(gone)
        if again:
            ask.systemctl("stop", "--", *again)
        write(artifacts, self.folder, self.manifest, force=force)
        ask.systemctl("daemon-reload")
        ask.systemctl("enable", "--quiet", target)
        down = [name for name, state in ask.states(services).items() if not state.up]
        if down:
            say(f"systemd starts {', '.join(down)}")
            ask.systemctl("reset-failed", "--", *down, check=False)
        ask.systemctl("start", "--", target, *down)
        return Applied(tuple(name.removesuffix(".service") for name in down), gone)

    def stop(self) -> bool:
        """Raises EngineError also where nobody can be asked: what is enabled would start again."""
        found = self._units()
        if found and (why := ask.reachable()):
            raise EngineError(f"the systemd of {self._user} cannot be asked: {why}", mend=self._login())
        up = any(state.up for state in ask.states(found).values())
        self._end(found)
        return up

    def remove(self) -> None:
        found = self._units()
        write((), self.folder, self.manifest, force=True)
        self.manifest.unlink(missing_ok=True)
        for name in found:  # `disable` does this, but not for a target whose own file is gone
            (self.folder / WANTS / name).unlink(missing_ok=True)
        for folder in (self.folder / WANTS, self.folder, self.folder.parent):
            with contextlib.suppress(OSError):  # others have theirs there
                folder.rmdir()
        if found:
            ask.systemctl("daemon-reload")
            ask.systemctl("reset-failed", "--", *found, check=False)

    def states(self) -> Mapping[str, str]:
        """ "unknown" with the reason where nobody can be asked: the gateway may answer all the same."""
        found = self._units()
        try:
            return {name: state.words for name, state in ask.states(found).items()}
        except EngineError as error:
            return dict.fromkeys(found, f"unknown ({error.text})")

    def why(self, model: str | None) -> str:
        unit = self._unit(model)
        state = ask.states([unit])[unit]
        return state.given_up if state.loaded else "systemd has no unit of it"

    def verb(self, verb: str, model: str | None) -> None:
        unit = self._unit(model)
        if verb == "unload":
            ask.systemctl("stop", "--", unit)
            return
        ask.systemctl("reset-failed", "--", unit, check=False)
        ask.systemctl("restart" if verb == "restart" else "start", "--", unit)

    def logs(self, model: str | None, lines: int, *, follow: bool = False) -> Iterator[str]:
        return ask.journal(self._unit(model), lines, follow=follow)

    def _unit(self, model: str | None) -> str:
        """model: identity.SWAP means llama-swap itself."""
        what = GATEWAY if model is None else SWAP if model == identity.SWAP else slug(model)
        return f"{unit_name(self._stack, what)}.service"

    def _units(self) -> tuple[str, ...]:
        """File names of what is installed, the target's too."""
        return listed(self.manifest)

    def _end(self, units: tuple[str, ...]) -> None:
        """Stops and disables; a failed one counts as ended. Raises EngineError."""
        found = ask.states(units)
        targets = [name for name, state in found.items() if name.endswith(".target") and state.loaded]
        known = [name for name, state in found.items() if state.loaded or state.up]
        if targets:
            ask.systemctl("disable", "--quiet", "--", *targets)
        if known:
            ask.systemctl("stop", "--", *known)
        left = [name for name, state in ask.states(known).items() if state.up]
        if left:
            raise EngineError(f"systemd does not stop {', '.join(left)}", mend="systemctl --user status")

    def _login(self) -> str:
        return f"log in as {self._user} (not by su or sudo); ssh is a login"
