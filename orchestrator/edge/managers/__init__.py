"""Service managers by name, and which one a stack is up with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestrator.edge.write import replace_file

if TYPE_CHECKING:
    from orchestrator.core.plan import Manager as Name
    from orchestrator.edge.managers.api import ServiceManager
    from orchestrator.edge.paths import StackPaths


def of(name: Name, paths: StackPaths) -> ServiceManager:
    """Raises PlanError for one that this version cannot drive."""
    if name == "systemd":
        from orchestrator.edge.managers.systemd import Systemd

        return Systemd(paths)
    if name == "systemd-system":
        from orchestrator.edge.managers.machine import Machine

        return Machine(paths)
    if name == "launchd":
        from orchestrator.edge.managers.launchd import Launchd

        return Launchd(paths)
    if name == "compose":
        from orchestrator.edge.managers.compose import Compose

        return Compose(paths)
    from orchestrator.errors import PlanError

    raise PlanError(f"`up` does not drive {name}", mend=f"stack render {name} --out DIR, and install what it writes")


def remember(name: Name, paths: StackPaths, *, asked: bool = False, declared: tuple[str, ...] = ()) -> None:
    """asked: by `--target`, and not by stack.yaml; declared: the units' names (the gateway's first) where not we but
    somebody else wrote them."""
    replace_file(paths.manager, json.dumps({"manager": name, "asked": asked, "declared": declared}).encode())


def asked(paths: StackPaths) -> Name:
    """The manager that was asked for last time, which a stack.yaml without `service` does not name; "" for none."""
    found = _read(paths)
    name: Name = found["manager"] if found.get("asked") else ""
    return name


def remembered(paths: StackPaths) -> ServiceManager | None:
    """The manager that runs this stack: `up` handed it over, or somebody else's units serve it. None for none."""
    found = _read(paths)
    name, declared = found["manager"], tuple(found.get("declared", ()))
    if declared:
        return _declared(name, paths, declared)
    return of(name, paths) if name else None


def _read(paths: StackPaths) -> dict[str, Any]:
    try:
        found = json.loads(paths.manager.read_text())
        return {"manager": "", **found}
    except (OSError, ValueError, TypeError):
        return {"manager": ""}


def _declared(name: Name, paths: StackPaths, units: tuple[str, ...]) -> ServiceManager | None:
    """None where its manager does not know those units any more."""
    from orchestrator.edge.managers.declared import Declared
    from orchestrator.edge.managers.launchd import Launchd
    from orchestrator.edge.managers.systemd import Systemd
    from orchestrator.errors import EngineError

    inner = Launchd(paths, declared=units) if name == "launchd" else Systemd(paths, declared=units)
    try:
        there = inner.known()
    except EngineError:
        there = True  # nobody can be asked: it may be
    return Declared(inner, paths.name) if there else None
