"""`stack plan --diff`: the plan that was written last, and what the daemon says, read for core/planner/changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.core.planner.changes import Change, changes
from orchestrator.core.planner.plan_json import plan_from_json
from orchestrator.edge.control import client as control

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.edge.paths import StackPaths


def compare(new: Plan, paths: StackPaths) -> tuple[Change, ...]:
    """Reads only. A plan of another version of ours counts as none."""
    status = control.status(paths)
    states = {row["id"]: row["state"] for row in status["models"]} if status is not None else None
    return changes(new, _written(paths), states, stale=bool(status and status["stale"]))


def _written(paths: StackPaths) -> Plan | None:
    try:
        return plan_from_json(paths.plan.read_text())
    except (OSError, ValueError):
        return None
