from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption

ModelArgument = Annotated[str, typer.Argument(help="A model, alias or role of the stack.")]


def load(
    model: ModelArgument,
    file: FileOption = Path("stack.yaml"),
    as_json: JsonOption = False,
    host_file: UnusedHostOption = None,
) -> None:
    """Load a model now (others are evicted by the plan's sets)."""
    _verb("load", model, file, as_json)


def unload(
    model: ModelArgument,
    file: FileOption = Path("stack.yaml"),
    as_json: JsonOption = False,
    host_file: UnusedHostOption = None,
) -> None:
    """Stop a model's engine until it is asked for again."""
    _verb("unload", model, file, as_json)


def restart(
    model: ModelArgument,
    file: FileOption = Path("stack.yaml"),
    as_json: JsonOption = False,
    host_file: UnusedHostOption = None,
) -> None:
    """Stop a model's engine and start it anew; forgets earlier failures."""
    _verb("restart", model, file, as_json)


def _verb(verb: str, model: str, file: Path, as_json: bool) -> None:
    from orchestrator import pipeline, services
    from orchestrator.cli.progress import waiting
    from orchestrator.edge.control import client as control
    from orchestrator.edge.paths import StackPaths

    paths = StackPaths(pipeline.name_of(file))
    with waiting(f"{verb} {model}"):
        if not services.verb(paths, verb, model):
            control.call(paths, "POST", f"/{verb}", {"model": model}, timeout=None)
    print(json.dumps({"model": model, "done": verb}) if as_json else f"{verb} {model}: done")
