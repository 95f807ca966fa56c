from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import FileOption, HostOption, JsonOption

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.edge.paths import StackPaths


def up(
    file: FileOption = Path("stack.yaml"),
    host_file: HostOption = None,
    as_json: JsonOption = False,
    force: Annotated[
        list[str] | None,
        typer.Option("--force", help="Start this model though it does not fit; and overwrite files edited by hand."),
    ] = None,
) -> None:
    """Make it so: plan, pull, start, prove. Returns when the stack is ready, and leaves it running."""
    from orchestrator import pipeline
    from orchestrator.edge.lock import held
    from orchestrator.edge.paths import StackPaths

    prepared = pipeline.prepare(file, host_file)
    paths = StackPaths(prepared.loaded.name)
    with held(paths.lock, "stack up"):
        prepared = pipeline.with_weights(prepared, quiet=as_json)
        plan = pipeline.make_plan(prepared, force=frozenset(force or ()))
        pipeline.refuse_unknown_weights(plan)
        for warning in plan.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        _retire(paths, prepared.loaded.file)
        changed, result = _bring_up(plan, paths, quiet=as_json, force=bool(force))
    _report(plan, paths, result, changed=changed, as_json=as_json)


def _retire(paths: StackPaths, file: Path) -> None:
    """Takes down what is up from this file under the name that it had before."""
    from orchestrator.edge.run import session

    for other in session.former(paths, file):
        print(f"{other.name} was up from this file, which is called {paths.name} now: stopping it", file=sys.stderr)
        session.leave(other, keep_engines=False)
    session.remember(paths, file)


def _bring_up(plan: Plan, paths: StackPaths, *, quiet: bool, force: bool) -> tuple[bool, dict[str, Any]]:
    """(whether anything changed, the `done` event's data)."""
    from orchestrator import pipeline
    from orchestrator.cli.watch import View
    from orchestrator.edge.control import client as control
    from orchestrator.edge.run import session
    from orchestrator.errors import Interrupted

    running = control.status(paths)
    fresh = running is None
    same = running is not None and running["plan"] == pipeline.digest(plan) and not running["stale"]
    if running is None:
        session.end_silent_daemon(paths)
    if not same:
        _could_serve(plan, running)
    pipeline.install(plan, paths, force=force)
    try:
        if running is not None and same:
            if running["settled"] and running["ready"]:
                return False, {"exit": running["exit"], "warnings": running["warnings"]}
            control.call(paths, "POST", "/retry")
        else:
            if running is not None:
                session.leave(paths, keep_engines=True)
            session.start(paths, paths.plan, plan.listen)
        view = View(quiet=quiet)
        view.follow(control.stream(paths, "GET", "/events"))
    except KeyboardInterrupt:
        stays = not fresh and control.status(paths) is not None
        if not stays:
            print("stack: interrupted, stopping what was started", file=sys.stderr)
            session.leave(paths, keep_engines=False)
            session.sweep(paths)
        raise Interrupted("interrupted" + ("; the daemon goes on (stack status)" if stays else "")) from None
    return not same, view.result or {"exit": 5, "warnings": ["the daemon ended while it was starting"]}


def _could_serve(plan: Plan, running: dict[str, Any] | None) -> None:
    """What would end a daemon at once is found before the one that runs is told to go. Raises PortTaken, PlanError."""
    from orchestrator.edge import secrets
    from orchestrator.edge.run import ports, session

    secrets.of(plan)
    own = running["pid"] if running is not None else None
    session.check_ports((host, port) for host, port in plan.listen if own is None or ports.holder(port).pid != own)


def _report(plan: Plan, paths: StackPaths, result: dict[str, Any], *, changed: bool, as_json: bool) -> None:
    from orchestrator.edge.control import client as control

    found = control.status(paths) or {}
    code = int(result.get("exit", 5))
    if as_json:
        print(json.dumps({"changed": changed, "exit": code, "endpoint": plan.endpoint, "status": found}))
        raise typer.Exit(code)
    for warning in result.get("warnings", ()):
        print(f"warning: {warning}", file=sys.stderr)
    for row in found.get("models", ()):
        print(f"{row['id']}: {row['state']}, tools {row['tools']}" + (f" ({row['error']})" if row["error"] else ""))
        if row["error"]:
            _tail(Path(row["log"]))
    if code == 0:
        print(f"{'' if changed else 'nothing to change, '}ready at {plan.endpoint}")
    elif code == 6:
        print("the tool path does not hold: requests with tools get 503 (stack probe MODEL shows why)", file=sys.stderr)
    else:
        print("not ready: an engine failed (stack logs MODEL)", file=sys.stderr)
    raise typer.Exit(code)


def _tail(log: Path) -> None:
    from orchestrator.edge.run import logs

    print(f"  the end of {log}:", file=sys.stderr)
    for line in logs.tail(log, this_run=True):
        print(f"  | {line}", file=sys.stderr)
