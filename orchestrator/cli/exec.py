from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption


def exec_(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A resident model of the plan, or @llama-swap.")],
    plan_file: Annotated[Path, typer.Option("--plan", metavar="FILE", help="The plan (plan.json).")],
    stop: Annotated[bool, typer.Option("--stop", help="End it, where SIGTERM alone does not (ExecStop=).")] = False,
    file: FileOption = Path("stack.yaml"),
    host_file: UnusedHostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Become one engine of a plan, in place of this process: for the units of service managers."""
    from orchestrator import pipeline
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.run import become

    plan = pipeline.read_plan(plan_file)
    paths = StackPaths(plan.name)
    command = become.stopping(plan, model, paths) if stop else become.command(plan, model, paths)
    if command is not None:
        become.become(command)
