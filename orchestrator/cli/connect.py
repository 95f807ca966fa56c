"""`stack connect CLIENT`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import FileOption, HostOption, JsonOption

if TYPE_CHECKING:
    from orchestrator.core.client import Client
    from orchestrator.core.offering import Chosen
    from orchestrator.core.plan import Plan


def connect(
    name: Annotated[
        str, typer.Argument(metavar="CLIENT", help="codex, claude-code, opencode, aider, continue, open-webui.")
    ],
    file: FileOption = Path("stack.yaml"),
    host_file: HostOption = None,
    as_json: JsonOption = False,
    show: Annotated[bool, typer.Option("--print", help="Print the settings alone, whatever its file holds.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Change its file; what was there is kept beside it.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also models whose tools are not proven.")] = False,
    model: Annotated[str | None, typer.Option("--model", help="The model to use, by any of its names.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="Which of endpoint.keys it uses.")] = None,
    into: Annotated[Path | None, typer.Option("--into", metavar="FILE", help="Its file, if it is elsewhere.")] = None,
) -> None:
    """Point a client at the endpoint. Shows what would change in its file; --write changes it."""
    from datetime import datetime

    from orchestrator.edge.clients import apply
    from orchestrator.edge.clients.found import all_clients, file_of
    from orchestrator.errors import UsageError

    known = all_clients()
    if name not in known:
        raise UsageError(f"no client is called {name}", mend=f"one of {', '.join(known)}")
    if show and write:
        raise UsageError("--print and --write exclude each other")
    client = known[name]
    chosen = _chosen(file, host_file, client, model, key, force)
    settings = client.settings(chosen.connection)
    if show and not as_json:
        sys.stdout.write(apply.alone(settings))
        _tell(chosen, settings.notes)
        return
    made = apply.change(into or file_of(client), settings)
    backup = apply.write(made, datetime.now()) if write and made.needed else None
    if as_json:
        found = {
            "client": client.name,
            "file": str(made.file),
            "changed": made.needed,
            "written": write and made.needed,
        }
        found |= {"backup": str(backup) if backup else None, "model": chosen.connection.first.name}
        found |= {"models": [offer.name for offer in chosen.connection.models], "settings": apply.alone(settings)}
        found |= {"diff": made.diff(), "notes": settings.notes, "left": chosen.left, "warnings": chosen.warnings}
        print(json.dumps(found, indent=2))
        return
    sys.stdout.write(made.diff())
    _tell(chosen, settings.notes)
    if not made.needed:
        print(f"{made.file}: nothing to change, {client.title} uses {chosen.connection.first.name}")
    elif write:
        kept = f", what it was is in {backup}" if backup else ""
        print(f"{made.file}: written{kept}")
    else:
        print(f"nothing is written yet: `stack connect {client.name} --write`")


def _chosen(
    file: Path, host_file: Path | None, client: Client, model: str | None, key: str | None, force: bool
) -> Chosen:
    from orchestrator.core.offering import Refusal, choose
    from orchestrator.errors import PlanError, ProbeFailed, UsageError

    plan, marks = _planned(file, host_file)
    chosen = choose(plan, marks, client, model=model, key=key, force=force)
    if isinstance(chosen, Refusal):
        error = {"usage": UsageError, "plan": PlanError, "probe": ProbeFailed}[chosen.kind]
        raise error(chosen.text, mend=chosen.mend)
    return chosen


def _planned(file: Path, host_file: Path | None) -> tuple[Plan, Mapping[str, str]]:
    """What runs, with the marks of `stack status`; else what would run, with the verdicts that are kept."""
    from orchestrator import pipeline
    from orchestrator.core.planner.plan_json import plan_from_json
    from orchestrator.edge.control import client as control
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.probe.verdicts import Verdicts

    paths = StackPaths(pipeline.name_of(file))
    status = control.status(paths)
    if status is not None:
        plan = plan_from_json(paths.plan.read_text(encoding="utf-8"))
        return plan, {row["id"]: row["tools"] for row in status["models"]}
    plan = pipeline.make_plan(pipeline.prepare(file, host_file))
    verdicts = Verdicts(paths.verdicts)
    return plan, {launch.model: verdicts.mark(launch) for launch in plan.launches}


def _tell(chosen: Chosen, notes: tuple[str, ...]) -> None:
    for warning in chosen.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for line in (*chosen.left, *notes):
        print(f"note: {line}", file=sys.stderr)
