from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import JsonOption, UnusedHostOption
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.edge.paths import StackPaths

# -f is `follow` here, as in every other logs command
LogsFileOption = Annotated[
    Path, typer.Option("--file", envvar="STACK_FILE", metavar="FILE", help="The stack.yaml to use.")
]


def logs(
    model: Annotated[str | None, typer.Argument(help="A model; without one, the daemon.")] = None,
    file: LogsFileOption = Path("stack.yaml"),
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines are written.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.", min=0)] = 50,
    as_json: JsonOption = False,
    host_file: UnusedHostOption = None,
) -> None:
    """The log of a model's engine, or of the daemon."""
    import json

    from orchestrator import pipeline, services
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.run import logs as files

    paths = StackPaths(pipeline.name_of(file))
    known = _id(paths, model)
    if (theirs := services.logs(paths, known, lines, follow=follow)) is not None:
        for line in theirs:
            print(json.dumps({"line": line}) if as_json else line, flush=True)
        return
    path = _path(paths, known)
    found = files.tail(path, lines)
    print(json.dumps({"path": str(path), "lines": list(found)}) if as_json else "\n".join(found), flush=True)
    if follow:
        for line in files.follow(path):
            print(json.dumps({"line": line}) if as_json else line, flush=True)


def _id(paths: StackPaths, model: str | None) -> str | None:
    """The id of the model that any of its names means; None for the daemon."""
    if model is None:
        return None
    plan = _plan(paths)
    if model not in plan.names:
        known = ", ".join(launch.model for launch in plan.launches)
        raise UsageError(f"there is no model {model}", mend=f"models: {known}")
    return plan.names[model]


def _path(paths: StackPaths, model: str | None) -> Path:
    from orchestrator.edge.run import logs as files

    if model is None:
        return paths.logs / "daemon.log"
    if _plan(paths).supervisor == "llama-swap":
        return paths.logs / "llama-swap.log"
    return files.path_of(paths.logs, model)


def _plan(paths: StackPaths) -> Plan:
    from orchestrator.core.planner.plan_json import plan_from_json

    if not paths.plan.exists():
        raise UsageError(f"{paths.name} has never been up: it has no logs", mend="stack up")
    return plan_from_json(paths.plan.read_text())
