"""Options that every command takes, also after its name. Precedence: option > environment > stack.yaml > automatic."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.core.plan import Manager


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
TargetOption = Annotated[
    str | None,
    typer.Option("--target", help="Who runs it: systemd, systemd-system, launchd, compose, none."),
]
SystemOption = Annotated[
    bool, typer.Option("--system", help="As units of the machine's systemd: --target systemd-system.")
]


def manager_of(target: str | None, *, system: bool) -> Manager | None:
    """None where nothing was said: as before, or as `service` says. Raises UsageError for what cannot run anything."""
    from orchestrator.errors import UsageError

    names: tuple[Manager, ...] = ("systemd", "systemd-system", "launchd", "compose")
    if system and target not in (None, "systemd", "systemd-system"):
        raise UsageError(f"--system is for systemd, not for {target}", mend="leave one of them out")
    asked = "systemd-system" if system else target
    if asked is None:
        return None
    if asked == "none":
        return ""
    for name in names:
        if name == asked:
            return name
    raise UsageError(f"`up` cannot run a stack through {asked}", mend=f"one of {', '.join(names)}, none")
