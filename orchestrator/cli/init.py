"""`stack init`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import FileOption, HostOption, JsonOption

if TYPE_CHECKING:
    from orchestrator.core.host import Host


def init(
    file: FileOption = Path("stack.yaml"),
    host_file: HostOption = None,
    as_json: JsonOption = False,
    show: Annotated[bool, typer.Option("--print", help="Print it, write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write a commented stack.yaml for this machine."""
    from orchestrator.core.stackfile.starter import backends, starter, starter_text
    from orchestrator.errors import UsageError

    host = _host(host_file)
    text = starter_text(host)
    if show:
        sys.stdout.write(json.dumps({"file": str(file), "text": text}) + "\n" if as_json else text)
        return
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(f"{file} is there already", mend="`--force` overwrites it, `--print` only shows") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from error
    if as_json:
        print(json.dumps({"file": str(file), "model": starter(host).name, "backend": backends(host)[0]}))
        return
    print(f"{file}: written, with {starter(host).name} on {backends(host)[0]}")
    print("next: stack check, stack plan, stack up")


def _host(file: Path | None) -> Host:
    from orchestrator.core.host_json import host_from_json
    from orchestrator.edge.host.detect import detect
    from orchestrator.errors import PlanError

    if file is None:
        return detect()
    try:
        return host_from_json(file.read_text(encoding="utf-8"), str(file))[0]
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{file}: cannot be read: {error}") from error
