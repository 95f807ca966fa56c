"""Which engine of a backend is installed, where, and in which version; nothing slow is started."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

from orchestrator.core.engines import LLAMA_SWAP, PROGRAMS, Program, parse_version
from orchestrator.core.host import Engine
from orchestrator.core.spec import EngineChoice
from orchestrator.edge import engines
from orchestrator.edge.host import ask, flags

PINNED_BIN = "backends.{}.engine.bin"
ANY = EngineChoice.model_construct()


def find(name: str, choice: EngineChoice | None = None) -> Engine | None:
    """The backend's engine: `choice.bin`, else its variable, PATH, our environments (newest first), whichever first
    has the version that `choice` pins; without a match the first of them. None = not installed.

    A `bin` that is not there is not made up for by another.
    """
    choice = choice or ANY
    program = PROGRAMS.get(name)
    if program is None:
        return None
    if choice.bin:
        path = os.path.expanduser(choice.bin)
        return _engine(program, path, PINNED_BIN.format(name)) if os.access(path, os.X_OK) else None
    first: Engine | None = None
    for path, found, version in _candidates(program):
        engine = _engine(program, path, found, version)
        if choice.version in (None, engine.version):
            return engine
        first = first or engine
    return first


def llama_swap() -> Engine | None:
    """STACK_LLAMA_SWAP, else the one on PATH."""
    for path, found, _ in _candidates(LLAMA_SWAP):
        return Engine(path, parse_version(ask.version(path, LLAMA_SWAP.version)), found)
    return None


def _candidates(program: Program) -> list[tuple[str, str, str]]:
    """(path, where it was found, version if that is known already)."""
    found = []
    if program.env and os.access(named := os.environ.get(program.env, ""), os.X_OK):
        found.append((os.path.abspath(named), program.env, ""))
    if path := shutil.which(program.executable):
        found.append((os.path.abspath(path), "PATH", ""))
    if program.name in PROGRAMS:
        found += [(str(bin_), "stack engine install", version) for version, bin_ in engines.environments(program.name)]
    return found


def _engine(program: Program, path: str, found: str, version: str = "") -> Engine:
    if program.distribution:
        version = version or distribution_version(Path(path), program.distribution)
    elif program.version:
        version = parse_version(ask.version(path, program.version))
    engine = Engine(path, version, found)
    # a native program prints its help in milliseconds, a Python engine in seconds
    native = bool(program.version and not program.distribution)
    return replace(engine, flags=(flags.ask if native else flags.known)(program.name, engine))


def distribution_version(script: Path, distribution: str) -> str:
    """Version of a Python engine, from the metadata beside its script or its script's interpreter; "" if unknown."""
    for root in _environments(script):
        pattern = f"lib/python3*/site-packages/{distribution.replace('-', '_')}-*.dist-info"
        for folder in root.glob(pattern):
            version = folder.name.removesuffix(".dist-info").rsplit("-", 1)[1]
            return version.partition("+")[0]  # a build of it (0.32.0+cpu, 0.32.0+cu130) has the same flags
    return ""


def _environments(script: Path) -> list[Path]:
    """The environments that a script may belong to: by its own place, and by the interpreter in its first lines."""
    found = [script.resolve().parent.parent]
    try:
        with script.open("rb") as handle:
            head = handle.read(512).decode(errors="replace")
    except OSError:
        return found
    # pip and uv write '''exec' "/long path/python" where a shebang cannot hold it
    if hit := re.match(r"#!(?:/bin/sh\s+'''exec' )?\"?(/[^\"\n]*?/bin/python[\d.]*)\"?\s", head):
        found.append(Path(hit[1]).parent.parent)
    return found
