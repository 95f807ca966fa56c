from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption


def down(
    file: FileOption = Path("stack.yaml"),
    as_json: JsonOption = False,
    host_file: UnusedHostOption = None,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Remove state and logs too.")] = False,
) -> None:
    """Stop everything of this stack. State and logs stay, unless --uninstall."""
    from orchestrator import lifecycle, pipeline
    from orchestrator.cli.progress import waiting
    from orchestrator.edge.paths import StackPaths

    paths = StackPaths(pipeline.name_of(file))
    with waiting(f"stopping {paths.name}", after=2):
        left = lifecycle.down(paths, file.parent.resolve() / file.name, uninstall=uninstall)
    if as_json:
        done = {"name": paths.name, "was_up": left.was_up, "ended": left.swept, "uninstalled": uninstall}
        print(json.dumps(done))
    elif left.was_up or left.swept:
        print(f"{paths.name} is down" + (f" ({left.swept} left-over processes ended)" if left.swept else ""))
    else:
        print(f"{paths.name} was not running")
