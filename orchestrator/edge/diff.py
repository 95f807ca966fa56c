"""`stack plan --diff`: the plan that was written last, and what the daemon says, read for core/planner/changes."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from orchestrator.core.planner.changes import Change, changes
from orchestrator.core.planner.plan_json import plan_from_json
from orchestrator.core.targets.llama_swap import config
from orchestrator.edge.control import client as control

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.edge.paths import StackPaths


def compare(new: Plan, paths: StackPaths, others: Collection[str] = ()) -> tuple[Change, ...]:
    """Reads only. A plan of another version of ours counts as none. others: as of `changes`."""
    status = control.status(paths)
    states = {row["id"]: row["state"] for row in status["models"]} if status is not None else None
    old = written(paths)
    return changes(new, old, states, others=others, stale=bool(status and status["stale"]), anew=_anew(new, old))


def _anew(new: Plan, old: Plan | None) -> str:
    """Why a running supervisor starts anew: llama-swap stops every engine when its config changes."""
    if old is None:
        return ""
    if old.supervisor != new.supervisor:
        return f"supervisor: {old.supervisor} -> {new.supervisor}"
    if new.supervisor == "llama-swap" and config(new) != config(old):
        return "llama-swap reads its config anew, which stops all its engines"
    return ""


def written(paths: StackPaths) -> Plan | None:
    """The plan that was written last, if this version can read it."""
    try:
        return plan_from_json(paths.plan.read_text())
    except (OSError, ValueError):
        return None
