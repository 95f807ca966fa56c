from __future__ import annotations

import contextlib
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
    import shutil

    from orchestrator import pipeline
    from orchestrator.edge.lock import held
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.run import session

    paths = StackPaths(pipeline.name_of(file))
    with held(paths.lock, "stack down"):
        was_up = session.leave(paths, keep_engines=False)
        if not was_up:
            session.end_silent_daemon(paths)
        left = session.sweep(paths)
        for other in session.former(paths, file.parent.resolve() / file.name):
            was_up |= session.leave(other, keep_engines=False)
    if uninstall:
        shutil.rmtree(paths.state, ignore_errors=not paths.state.exists())
        for folder in (paths.state.parent, paths.socket.parent):
            with contextlib.suppress(OSError):  # others of ours live there
                folder.rmdir()
    if as_json:
        print(json.dumps({"name": paths.name, "was_up": was_up, "ended": left, "uninstalled": uninstall}))
    elif was_up or left:
        print(f"{paths.name} is down" + (f" ({left} left-over processes ended)" if left else ""))
    else:
        print(f"{paths.name} was not running")
