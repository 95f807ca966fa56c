from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import FileOption, HostOption, JsonOption


def serve(
    file: FileOption = Path("stack.yaml"),
    host_file: HostOption = None,
    as_json: JsonOption = False,
    plan_file: Annotated[
        Path | None, typer.Option("--plan", help="Serve this plan (plan.json) instead of planning.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="With --plan: the stack's name.", hidden=True)] = None,
) -> None:
    """Run gateway, supervisor and probes in the foreground, until Ctrl-C."""
    import json

    from orchestrator import daemon
    from orchestrator.edge.paths import StackPaths

    if plan_file is not None:
        daemon.serve(plan_file, name or plan_file.parent.name)
        return
    from orchestrator import pipeline

    plan = pipeline.make_plan(pipeline.prepare(file, host_file))
    paths = StackPaths(plan.name)

    def begin() -> None:
        pipeline.install(plan, paths)
        words = (
            f"serving {plan.name} at {plan.endpoint} (Ctrl-C ends it; `stack status` and `stack logs` work meanwhile)"
        )
        print(json.dumps({"name": plan.name, "endpoint": plan.endpoint}) if as_json else words, flush=True)

    daemon.serve(paths.plan, plan.name, begin)
