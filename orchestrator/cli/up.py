from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import FileOption, HostOption, JsonOption, SystemOption, TargetOption, manager_of

if TYPE_CHECKING:
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.run.api import Event
    from orchestrator.lifecycle import Came


def up(
    file: FileOption = Path("stack.yaml"),
    host_file: HostOption = None,
    as_json: JsonOption = False,
    target: TargetOption = None,
    system: SystemOption = False,
    force: Annotated[
        list[str] | None,
        typer.Option("--force", help="Start this model though it does not fit; and overwrite files edited by hand."),
    ] = None,
) -> None:
    """Make it so: plan, pull, start, prove. Returns when the stack is ready, and leaves it running."""
    from orchestrator import lifecycle, pipeline
    from orchestrator.cli.watch import View

    view = View(quiet=as_json)

    def watch(events: Iterable[Event]) -> dict[str, Any] | None:
        view.follow(events)
        return view.result

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    manager = manager_of(target, system=system)
    prepared = pipeline.prepare(file, host_file)
    came = lifecycle.up(prepared, force=force or (), manager=manager, quiet=as_json, say=say, watch=watch)
    _report(came, as_json)


def _report(came: Came, as_json: bool) -> None:
    from orchestrator.edge.paths import StackPaths

    code, endpoint = came.exit, came.plan.endpoint
    if as_json:
        print(json.dumps({"changed": came.changed, "exit": code, "endpoint": endpoint, "status": came.status}))
        raise typer.Exit(code)
    for warning in came.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for row in came.status.get("models", ()):
        print(f"{row['id']}: {row['state']}, tools {row['tools']}" + (f" ({row['error']})" if row["error"] else ""))
        if row["error"]:
            _tail(StackPaths(came.plan.name), row)
    if code == 0:
        print(f"{'' if came.changed else 'nothing to change, '}ready at {endpoint}")
    elif code == 6:
        print("the tool path does not hold: requests with tools get 503 (stack probe MODEL shows why)", file=sys.stderr)
    else:
        print("not ready: an engine failed (stack logs MODEL)", file=sys.stderr)
    raise typer.Exit(code)


def _tail(paths: StackPaths, row: Mapping[str, Any]) -> None:
    from orchestrator import services
    from orchestrator.edge.run import logs

    where = row["log"] or f"the log of {row['id']}"
    theirs = None if row["log"] else services.logs(paths, row["id"], 15, follow=False)
    print(f"  the end of {where}:", file=sys.stderr)
    for line in theirs if theirs is not None else logs.tail(Path(where), this_run=True):
        print(f"  | {line}", file=sys.stderr)
