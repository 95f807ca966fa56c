"""Service managers by name, and which one a stack is up with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

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
    if name == "launchd":
        from orchestrator.edge.managers.launchd import Launchd

        return Launchd(paths)
    if name == "compose":
        from orchestrator.edge.managers.compose import Compose

        return Compose(paths)
    from orchestrator.errors import PlanError

    raise PlanError(f"`up` does not drive {name}", mend=f"stack render {name} --out DIR, and install what it writes")


def remember(name: Name, paths: StackPaths) -> None:
    replace_file(paths.manager, json.dumps({"manager": name}).encode())


def remembered(paths: StackPaths) -> ServiceManager | None:
    """The manager that `up` handed this stack to last, None for none."""
    try:
        name = json.loads(paths.manager.read_text())["manager"]
    except (OSError, ValueError, KeyError):
        return None
    return of(name, paths) if name else None
