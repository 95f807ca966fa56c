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
    template: Annotated[
        Path | None,
        typer.Option(
            "--template",
            metavar="FILE",
            help="Instead: which parser each backend needs for this chat template (Jinja, a model's folder, a GGUF).",
        ),
    ] = None,
) -> None:
    """Check stack.yaml itself, and the chat templates of local weights: no host, no network. Exit 3 if wrong."""
    from orchestrator.cli.show import render_places
    from orchestrator.edge.stackfile.load import load, warnings
    from orchestrator.errors import SpecError

    if template is not None:
        from orchestrator.cli.check_template import show

        show(template, as_json)
        return
    chosen = path or file
    try:
        loaded = load(chosen)
    except SpecError as error:
        if not as_json:
            raise
        _print_json(problems=error.problems)
        raise typer.Exit(error.exit_code) from None
    from orchestrator.edge.modelfiles.check_templates import check_templates

    found = (*warnings(loaded), *check_templates(loaded))
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
