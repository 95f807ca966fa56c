"""`stack import llama-swap CONFIG`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption

app = typer.Typer(no_args_is_help=True, help="Write a stack.yaml from another program's config.")


@app.callback()
def options() -> None:
    pass


@app.command("llama-swap")
def llama_swap(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="llama-swap's config.yaml.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write it there; else it is printed.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
    as_json: JsonOption = False,
    file: FileOption = Path("stack.yaml"),
    host_file: UnusedHostOption = None,
) -> None:
    """Say a llama-swap config as a stack.yaml; what could not be said is listed."""
    from orchestrator.edge.imports.read import llama_swap_config

    read = llama_swap_config(config)
    if out is not None:
        _write(out, read.text, force)
    if as_json:
        models = [draft.id for draft in read.imported.models]
        print(json.dumps({"file": str(out) if out else None, "models": models, "notes": read.notes, "text": read.text}))
        return
    for note in read.notes:
        print(f"not said: {note}", file=sys.stderr)
    if out is None:
        sys.stdout.write(read.text)
        return
    print(f"{out}: written, with {len(read.imported.models)} models")
    print(f"next: stack check --file {out}, stack plan --file {out}")


def _write(file: Path, text: str, force: bool) -> None:
    from orchestrator.errors import UsageError

    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(
            f"{file} is there already", mend="`--force` overwrites it, without --out it is printed"
        ) from None
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from error
