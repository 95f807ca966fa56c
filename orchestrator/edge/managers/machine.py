"""The stack as units of the machine's systemd that run as the user. They are root's to change: whoever is not root is
told what to type, and the same command afterwards finds it done."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.edge.managers.api import Applied
from orchestrator.edge.managers.staging import TYPED, refuse, stage, sudo
from orchestrator.edge.managers.systemd import Systemd
from orchestrator.edge.write import expect, write
from orchestrator.errors import PlanError

if TYPE_CHECKING:
    from orchestrator.core.plan import Manager, Plan
    from orchestrator.core.target import Artifact
    from orchestrator.edge.managers.api import Say
    from orchestrator.edge.paths import StackPaths

UNITS = Path("/etc/systemd/system")


class Machine(Systemd):
    name: Manager = "systemd-system"
    wanted_by = "multi-user.target"
    system = True

    def __init__(self, paths: StackPaths, *, root: bool | None = None, units: Path = UNITS) -> None:
        """root: whether we may change them (None: find out); units: where they are installed."""
        super().__init__(paths)
        self._root = os.geteuid() == 0 if root is None else root
        self._staged = paths.state / self.name
        self.folder = units

    def check(self, plan: Plan) -> tuple[str, ...]:
        if why := self._ask.reachable():
            raise PlanError(f"the machine's systemd cannot be asked: {why}", mend="stack up, without a service")
        person = os.environ.get("SUDO_USER")
        if self._root and person:
            text = f"by sudo this would be root's stack, with root's weights and state, and not {person}'s"
            raise PlanError(text, mend="the same command without sudo: it prints what root is to type")
        return ()

    def pending(self, artifacts: tuple[Artifact, ...]) -> tuple[str, ...]:
        if self._root:
            return ()
        todo = self._todo(artifacts)
        gone = [name for name in todo.gone if (self.folder / name).exists()]
        lines = [self._sudo("stop", *gone, *todo.again)] if gone or todo.again else []
        lines += [sudo("rm", "-f", *(self.folder / name for name in gone))] if gone else []
        if todo.stale:
            files = stage(artifacts, self._staged)
            expect(artifacts, self.manifest)
            lines += [sudo("install", "-m", "644", "-o", "root", "-g", "root", "-t", self.folder, *files)]
        lines += [self._sudo("daemon-reload")] if gone or todo.stale else []
        lines += [] if self._enabled(todo.target) else [self._sudo("enable", todo.target)]
        lines += [self._sudo("reset-failed", *todo.failed)] if todo.failed else []
        lines += [self._sudo("start", todo.target, *todo.down)] if todo.down else []
        return tuple(lines)

    def apply(self, artifacts: tuple[Artifact, ...], say: Say, *, force: bool = False) -> Applied:
        if self._root:
            return super().apply(artifacts, say, force=force)
        refuse(self.pending(artifacts), "install")
        write(artifacts, self.folder, self.manifest)  # they are there as they should be: what is gone is forgotten
        return Applied()

    def stop(self) -> bool:
        """Raises PlanError with what root is to type."""
        if self._root:
            return super().stop()
        running = [name for name, state in self._ask.states(self._units()).items() if state.up]
        enabled = [name for name in self._units() if self._enabled(name)]
        lines = [self._sudo("disable", *enabled)] if enabled else []
        lines += [self._sudo("stop", *running)] if running else []
        refuse(tuple(lines), "stop")
        return False

    def remove(self) -> None:
        """Raises PlanError with what root is to type."""
        if self._root:
            super().remove()
            return
        found = self._ask.states(self._units())
        left = [self.folder / name for name in found if (self.folder / name).exists()]
        failed = [name for name, state in found.items() if state.active == "failed"]
        lines = [self._sudo("reset-failed", *failed)] if failed else []
        lines += [sudo("rm", "-f", *left), self._sudo("daemon-reload")] if left else []
        refuse(tuple(lines), "remove")
        shutil.rmtree(self._staged, ignore_errors=True)
        self.manifest.unlink(missing_ok=True)

    def verb(self, verb: str, model: str | None) -> None:
        """Raises PlanError with what root is to type; `load` and `unload` find it done afterwards."""
        unit = self._unit(model)
        state = self._ask.states([unit])[unit]
        done = {"load": state.up, "unload": not state.up}.get(verb, False)
        if self._root:
            super().verb(verb, model)
        if self._root or done:
            return
        word = {"load": "start", "unload": "stop"}.get(verb, verb)
        failed = (self._sudo("reset-failed", unit),) if state.active == "failed" else ()
        mend = "type this instead" if verb == "restart" else TYPED
        raise PlanError(f"{unit} is root's to {word}", details=(*failed, self._sudo(word, unit)), mend=mend)

    def _enabled(self, target: str) -> bool:
        return (self.folder / f"{self.wanted_by}.wants" / target).is_symlink()

    def _sudo(self, *words: str) -> str:
        return sudo(*self._ask.words, *words)
