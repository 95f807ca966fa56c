"""Options that every command takes, also after its name. Precedence: option > environment > stack.yaml > automatic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def _before_the_command(ctx: typer.Context, param: typer.CallbackParam, value: Path) -> Path:
    """`stack --file A check` comes in as a default of `check`, and STACK_FILE would win over a default."""
    source = ctx.get_parameter_source(str(param.name))
    given = (ctx.default_map or {}).get(str(param.name))
    return Path(given) if given and source is not None and source.name == "ENVIRONMENT" else value


FileOption = Annotated[
    Path,
    typer.Option(
        "--file",
        "-f",
        envvar="STACK_FILE",
        metavar="FILE",
        help="The stack.yaml to use.",
        callback=_before_the_command,
    ),
]
HostOption = Annotated[
    Path | None,
    typer.Option("--host", metavar="FILE", help="Plan for the machine in this JSON file (`stack host --json`)."),
]
UnusedHostOption = Annotated[Path | None, typer.Option("--host", metavar="FILE", hidden=True)]
"""For commands that every machine answers alike, or that ask what runs: scripts may give it to all of them."""
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.", show_default=False)]
