"""`stack plan --diff`: what `up` would do to engines, gateway and files, and what was edited by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator import services
from orchestrator.core.planner.changes import Change
from orchestrator.edge import managers, write
from orchestrator.edge.diff import compare, written

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.core.planner.changes import Action
    from orchestrator.edge.paths import StackPaths


def differences(plan: Plan, paths: StackPaths) -> tuple[Change, ...]:
    """Its manager's files against what is installed: what `up` would write, and what was edited by hand."""
    services.refuse_others(paths)
    before = managers.remembered(paths)
    found = []
    if before is not None and before.name != plan.manager:
        found.append(Change(before.name, "remove", "it ran the stack until now"))
    if plan.manager:
        manager = managers.of(plan.manager, paths)
        artifacts = services.render(plan, manager)
        done = write.compare(artifacts, manager.folder, manager.manifest)
        words: dict[str, tuple[Action, str]] = dict.fromkeys(done.changed, ("write", ""))
        words |= dict.fromkeys(done.removed, ("remove", "no longer rendered"))
        words |= dict.fromkeys(done.unchanged, ("unchanged", ""))
        words |= dict.fromkeys(done.edited, ("edited", "by hand: `up` stops here unless --force"))
        lines = write.differences(artifacts, manager.folder)
        found += [Change(str(manager.folder / path), *words[path], lines=lines.get(path, ())) for path in sorted(words)]
    return tuple(found)


def changes(plan: Plan, paths: StackPaths) -> tuple[Change, ...]:
    """What `up` would do, to engines, gateway and files."""
    files = differences(plan, paths)
    rows = compare(plan, paths, running(paths))
    if any("-gateway." in Path(row.subject).name and row.action != "unchanged" for row in files):
        same = next((row for row in rows if row.subject == "gateway" and row.action == "unchanged"), None)
        rows = tuple(replace(row, action="restart", reason="its unit differs") if row is same else row for row in rows)
    return (*rows, *files)


def running(paths: StackPaths) -> frozenset[str]:
    """Models whose engine its manager runs, also while no gateway is there to say so."""
    manager, before = services.runs(paths), written(paths)
    if manager is None or before is None:
        return frozenset()
    return frozenset(model for model in before.managed if not manager.why(model))
