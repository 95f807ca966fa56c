"""The stack as units of the machine's systemd that run as the user. They are root's to change: whoever is not root is
told what to type, and the same command afterwards finds it done."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.edge.managers.staging import TYPED, stage, sudo
from orchestrator.edge.managers.systemd import Systemd, Todo
from orchestrator.edge.write import expect, write
from orchestrator.errors import EngineError, PlanError

if TYPE_CHECKING:
    from orchestrator.core.plan import Manager, Plan
    from orchestrator.core.target import Artifact
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

    def _may(self, artifacts: tuple[Artifact, ...], todo: Todo) -> bool:
        """Raises PlanError with what root is to type."""
        if self._root:
            return True
        gone = [name for name in todo.gone if (self.folder / name).exists()]
        if not (todo.stale or gone or todo.down):
            write(artifacts, self.folder, self.manifest)  # they are there as they should be: what is gone is forgotten
            return False
        lines = [self._sudo("stop", *gone, *todo.again)] if gone or todo.again else []
        lines += [sudo("rm", "-f", *(self.folder / name for name in gone))] if gone else []
        if todo.stale:
            files = stage(artifacts, self._staged)
            expect(artifacts, self.manifest)
            lines += [sudo("install", "-m", "644", "-o", "root", "-g", "root", "-t", self.folder, *files)]
        lines += [self._sudo("daemon-reload"), self._sudo("enable", todo.target)]
        lines += [self._sudo("start", todo.target, *todo.down)]
        raise PlanError("units of the machine's systemd are root's to install", details=lines, mend=TYPED)

    def stop(self) -> bool:
        """Raises PlanError with what root is to type."""
        if self._root:
            return super().stop()
        running = [name for name, state in self._ask.states(self._units()).items() if state.up]
        enabled = [name for name in self._units() if (self.folder / f"{self.wanted_by}.wants" / name).is_symlink()]
        if not running and not enabled:
            return False
        lines = [self._sudo("disable", *enabled)] if enabled else []
        lines += [self._sudo("stop", *running)] if running else []
        raise PlanError("units of the machine's systemd are root's to stop", details=lines, mend=TYPED)

    def remove(self) -> None:
        """Raises PlanError with what root is to type."""
        left = [self.folder / name for name in self._units() if (self.folder / name).exists()]
        if left and not self._root:
            lines = [sudo("rm", "-f", *left), self._sudo("daemon-reload")]
            raise PlanError("units of the machine's systemd are root's to remove", details=lines, mend=TYPED)
        shutil.rmtree(self._staged, ignore_errors=True)
        if self._root:
            super().remove()
        self.manifest.unlink(missing_ok=True)

    def verb(self, verb: str, model: str | None) -> None:
        if self._root:
            super().verb(verb, model)
            return
        word = {"load": "start", "unload": "stop"}.get(verb, verb)
        raise EngineError(f"{self._unit(model)} is root's to {word}", mend=self._sudo(word, self._unit(model)))

    def _sudo(self, *words: str) -> str:
        return sudo(*self._ask.words, *words)
