"""`stack check`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption

if TYPE_CHECKING:
    from orchestrator.errors import Problem


def check(
    path: Annotated[Path | None, typer.Argument(metavar="FILE", help="The stack.yaml to check.")] = None,
    file: FileOption = Path("stack.yaml"),
    as_json: JsonOption = False,
    host_file: UnusedHostOption = None,
) -> None:
    """Check stack.yaml itself: no host, no network. Exit 3 if something is wrong."""
    from orchestrator.cli.show import render_places
    from orchestrator.edge.stackfile.load import load, warnings
    from orchestrator.errors import SpecError

    chosen = path or file
    try:
        loaded = load(chosen)
    except SpecError as error:
        if not as_json:
            raise
        _print_json(problems=error.problems)
        raise typer.Exit(error.exit_code) from None
    found = warnings(loaded)
    if as_json:
        _print_json(warnings=found)
        return
    count = len(loaded.stack.models)
    print(f"{chosen}: ok ({count} model{'s' if count != 1 else ''})")
    if found:
        print(render_places(found, str(chosen), label="warning: "), file=sys.stderr)


def _print_json(problems: tuple[Problem, ...] = (), warnings: tuple[Problem, ...] = ()) -> None:
    from orchestrator.cli.show import problem_json

    result = {
        "ok": not problems,
        "problems": [problem_json(one) for one in problems],
        "warnings": [problem_json(one) for one in warnings],
    }
    print(json.dumps(result, indent=2, ensure_ascii=False))
