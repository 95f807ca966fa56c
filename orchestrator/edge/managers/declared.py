"""Units that somebody else has declared (a module of Nix): asked and restarted like ours, never written or removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NoReturn, Protocol

from orchestrator.core.targets.launchd import label
from orchestrator.edge.managers.api import ServiceManager
from orchestrator.edge.managers.parts import part
from orchestrator.edge.run import logs
from orchestrator.errors import PlanError

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.core.target import Artifact
    from orchestrator.edge.managers.api import Applied, Say


class Asked(ServiceManager, Protocol):
    def known(self) -> bool:
        """Whether it has a unit of the gateway, whoever wrote that."""
        ...


class Declared:
    def __init__(self, inner: Asked, stack: str) -> None:
        self._inner, self._stack = inner, stack
        self.name, self.folder, self.manifest = inner.name, inner.folder, inner.manifest

    def check(self, plan: Plan) -> tuple[str, ...]:
        self.refuse()

    def installed(self, artifacts: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
        self.refuse()

    def pending(self, artifacts: tuple[Artifact, ...]) -> tuple[str, ...]:
        self.refuse()

    def apply(self, artifacts: tuple[Artifact, ...], say: Say, *, force: bool = False) -> Applied:
        self.refuse()

    def stop(self) -> bool:
        """Raises PlanError: it would come back with the next login, or at once."""
        stop = f"systemctl --user stop 'stack-{self._stack}-*'" if self.name == "systemd" else "launchctl bootout"
        self.refuse(f"until then: {stop}")

    def remove(self) -> None:
        self.refuse()

    def states(self) -> Mapping[str, str]:
        return self._inner.states()

    def why(self, model: str | None) -> str:
        return self._inner.why(model)

    def verb(self, verb: str, model: str | None) -> None:
        self._inner.verb(verb, model)

    def logs(self, model: str | None, lines: int, *, follow: bool = False) -> Iterator[str]:
        if self.name != "launchd":
            yield from self._inner.logs(model, lines, follow=follow)
            return
        file = logs.declared(label(self._stack, part(model)))
        yield from logs.tail(file, lines)
        if follow:
            yield from logs.follow(file)

    def refuse(self, now: str = "status, logs, load, unload and restart work") -> NoReturn:
        """Raises PlanError (exit 4). now: what can be done besides."""
        text = f"the {self.name} units of the stack {self._stack} were declared elsewhere (by Nix), and are not ours"
        raise PlanError(text, mend=f"change that configuration and switch to it ({now})")
