"""`stack plan`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import FileOption, HostOption, JsonOption, SystemOption, TargetOption, manager_of

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan


def plan(
    file: FileOption = Path("stack.yaml"),
    host_file: HostOption = None,
    as_json: JsonOption = False,
    diff: Annotated[bool, typer.Option("--diff", help="Compare with what is installed and running.")] = False,
    target: TargetOption = None,
    system: SystemOption = False,
    force: Annotated[list[str] | None, typer.Option("--force", help="Plan this model though it does not fit.")] = None,
    managed: Annotated[str | None, typer.Option("--managed", metavar="MODELS", hidden=True)] = None,
) -> None:
    """Show what would run here, each decision with its reason. Changes nothing."""
    from orchestrator import pipeline

    manager = manager_of(target, system=system)
    prepared = pipeline.prepare(file, host_file)
    if manager is None:
        manager = pipeline.asked_before(prepared) if host_file is None else ""
    made = pipeline.make_plan(prepared, force=frozenset(force or ()), manager=manager)
    if managed is not None:  # of a build by Nix, which has declared a unit for each of these and starts what we say
        pipeline.refuse_unknown_weights(made)
        pipeline.expect_managed(made, managed.split())
    if diff:
        _print_diff(made, as_json)
    elif as_json:
        from orchestrator.core.planner.plan_json import plan_to_json

        sys.stdout.write(plan_to_json(made))
    else:
        from orchestrator.cli.plan_view import show

        show(made)


def _print_diff(made: Plan, as_json: bool) -> None:
    from dataclasses import asdict

    from orchestrator import drift
    from orchestrator.core.units import show_size
    from orchestrator.edge.paths import StackPaths

    paths = StackPaths(made.name)
    rows = drift.changes(made, paths)
    if as_json:
        changed = any(row.action != "unchanged" for row in rows)
        print(json.dumps({"name": made.name, "changed": changed, "rows": [asdict(row) for row in rows]}, indent=2))
        return
    width = max(len(row.subject) for row in rows)
    for row in rows:
        print(f"{row.subject:<{width}}  {row.action:<9}" + (f"  {row.reason}" if row.reason else "").rstrip())
        for line in row.lines:
            print(f"    {line}")
    if restarts := [row for row in rows if row.action == "restart" and row.read]:
        many = "engine restarts" if len(restarts) == 1 else "engines restart"
        print(f"{len(restarts)} {many}, {show_size(sum(row.read for row in restarts))} of weights are read again")
