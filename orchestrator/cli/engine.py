"""`stack engine`: the engines of this machine, and environments for those that we can install."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import FileOption, HostOption, JsonOption

app = typer.Typer(no_args_is_help=True, help="Engines: what is installed, and how to get one.")


@app.command("install")
def engine_install(
    name: Annotated[str, typer.Argument(help="mlx-lm or vllm-mlx.", metavar="ENGINE")],
    file: FileOption = Path("stack.yaml"),
    host_file: HostOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an isolated environment with that engine, from hashed requirements."""
    from orchestrator.edge import engines

    engine = engines.install(name, quiet=as_json)
    if as_json:
        print(json.dumps({"name": name, "bin": engine.bin, "version": engine.version}))
    else:
        print(f"{name} {engine.version}: {engine.bin}")


@app.command("list")
def engine_list(
    file: FileOption = Path("stack.yaml"), host_file: HostOption = None, as_json: JsonOption = False
) -> None:
    """Every engine that stack knows: where it is, or what to type to get it."""
    from orchestrator.core.engines import PROGRAMS
    from orchestrator.edge.host.detect import detect
    from orchestrator.edge.host.host_file import read_host
    from orchestrator.edge.stackfile.load import load

    stack = load(file).stack if file.exists() else None
    host = read_host(host_file)[0] if host_file else detect(stack.backends if stack else None)
    if as_json:
        found = {name: {**asdict(engine), "flags": list(engine.flags)} for name, engine in host.engines.items()}
        print(json.dumps(found, indent=2))
        return
    for name, program in PROGRAMS.items():
        if engine := host.engines.get(name):
            print(f"{name:<14}{engine.version or 'unknown version'} at {engine.bin} ({engine.found})")
        else:
            print(f"{name:<14}not installed: {program.install.get(host.system, '')}")
