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
    import sys
    from contextlib import ExitStack

    from orchestrator import daemon, pipeline, services
    from orchestrator.edge.lock import held
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.run import become, session
    from orchestrator.errors import UsageError

    if plan_file is not None and name is not None:  # by `stack up`, which holds the lock, or by a service manager
        paths = StackPaths(name)
        if plan_file.resolve() == paths.plan.resolve():
            daemon.serve(plan_file, name)
            return
        given = pipeline.read_plan(plan_file)
        if given.name != name:
            raise UsageError(f"{plan_file} is the plan of {given.name}, not of {name}")

        def adopt() -> None:
            pipeline.install(given, paths)
            services.served_by_others(given, paths)
            for model in become.end_former(given):
                print(f"{model} runs by an earlier plan: its service manager starts it anew", file=sys.stderr)

        daemon.serve(paths.plan, name, adopt)
        return
    with ExitStack() as starting:  # `up`, `down` and `try` must be able to ask us, or not run beside us

        def lock(paths: StackPaths) -> None:
            starting.enter_context(held(paths.lock, "stack serve"))
            session.sweep_tries(paths)

        if plan_file is not None:
            paths = StackPaths(plan_file.parent.name)
            lock(paths)
            daemon.serve(plan_file, paths.name, answers=starting.close)
            return
        prepared = pipeline.prepare(file, host_file)
        paths = StackPaths(prepared.loaded.name)
        lock(paths)
        plan = pipeline.make_plan(prepared)

        def begin() -> None:
            pipeline.install(plan, paths)
            words = f"serving {plan.name} at {plan.endpoint} (Ctrl-C ends it; `stack status` and `stack logs` work)"
            print(json.dumps({"name": plan.name, "endpoint": plan.endpoint}) if as_json else words, flush=True)

        daemon.serve(paths.plan, plan.name, begin, starting.close)
