"""Engine environments of our own making: `stack engine install mlx-lm` (DESIGN.md, decision 10).

One environment an engine and version, under `paths.engines_home()`, from a hashed requirement file of the package.
An environment counts once its `.complete` marker is there, which is written last: an interrupted install is redone.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from orchestrator.core.engines import PROGRAMS, pinned
from orchestrator.core.host import Engine, System
from orchestrator.edge import paths
from orchestrator.edge.host import flags
from orchestrator.errors import EngineError, UsageError

MARKER = ".complete"


@dataclass(frozen=True, slots=True)
class Recipe:
    """An engine that we can install: its version and the text of its hashed requirement file."""

    name: str
    version: str
    requirements: str

    @property
    def folder(self) -> Path:
        return paths.engines_home() / f"{self.name}-{self.version}"

    @property
    def bin(self) -> Path:
        return self.folder / "bin" / PROGRAMS[self.name].executable

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.requirements.encode()).hexdigest()

    def installed(self) -> bool:
        try:
            marker = json.loads((self.folder / MARKER).read_text())
        except (OSError, ValueError):
            return False
        return bool(marker.get("requirements") == self.digest) and self.bin.exists()


def data() -> Traversable:
    return resources.files("orchestrator") / "engines"


def recipes() -> dict[str, Recipe]:
    """What `stack engine install` knows, by name."""
    found = {}
    for item in sorted(data().iterdir(), key=lambda item: item.name):
        if item.name.endswith(".in"):
            name = item.name.removesuffix(".in")
            _, version = pinned(item.read_text())
            found[name] = Recipe(name, version, (data() / f"{name}.txt").read_text())
    return found


def install(name: str, *, quiet: bool = False) -> Engine:
    """Make the engine's environment, or find it made. uv shows its own progress on stderr.

    Raises UsageError for an engine that we do not install (with what to type), EngineError where uv fails.
    """
    known = recipes()
    if name not in known:
        program = PROGRAMS.get(name)
        system: System = "macos" if sys.platform == "darwin" else "linux"
        mend = program.install.get(system, "") if program else f"known are: {', '.join(known)}"
        raise UsageError(f"stack does not install {name}", mend=mend)
    return ensure(known[name], quiet=quiet)


def ensure(recipe: Recipe, *, quiet: bool = False) -> Engine:
    """The recipe's engine, made if it is not there. Its flags are asked for while at it."""
    if not recipe.installed():
        with _lock(paths.engines_home(), recipe.name):
            if not recipe.installed():
                _build(recipe, quiet)
    engine = Engine(str(recipe.bin), recipe.version, "stack engine install")
    return replace(engine, flags=flags.ask(recipe.name, engine))


def environments(name: str) -> list[tuple[str, Path]]:
    """(version, executable) of our complete environments of that engine, newest first."""
    found = []
    home = paths.engines_home()
    for folder in home.iterdir() if home.is_dir() else ():
        version = folder.name.removeprefix(f"{name}-")
        if version == folder.name or not version[:1].isdigit():
            continue
        bin_ = folder / "bin" / PROGRAMS[name].executable
        if (folder / MARKER).exists() and bin_.exists():
            found.append((version, bin_))
    return sorted(found, key=lambda item: _newness(item[0]), reverse=True)


def _newness(version: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in version.replace("-", ".").split("."))


def _build(recipe: Recipe, quiet: bool) -> None:
    shutil.rmtree(recipe.folder, ignore_errors=True)
    lock = recipe.folder.parent / f".{recipe.name}.requirements.txt"
    lock.write_text(recipe.requirements)
    python = str(recipe.folder / "bin" / "python")
    level = ["--quiet"] if quiet else []
    try:
        _uv(["venv", "--quiet", "--no-project", "--python", sys.executable, str(recipe.folder)], recipe)
        # without bytecode every start compiles its imports anew (reference: engines.md)
        install = ["pip", "sync", *level, "--python", python, "--require-hashes", "--compile-bytecode", str(lock)]
        _uv(install, recipe)
        if not recipe.bin.exists():
            raise EngineError(f"{recipe.name} {recipe.version} was installed, but {recipe.bin} is not there")
    except BaseException:
        shutil.rmtree(recipe.folder, ignore_errors=True)
        raise
    finally:
        lock.unlink(missing_ok=True)
    marker = recipe.folder / f"{MARKER}.new"
    marker.write_text(json.dumps({"version": recipe.version, "requirements": recipe.digest}))
    marker.rename(recipe.folder / MARKER)


def _uv(args: list[str], recipe: Recipe) -> None:
    import uv

    # a foreign virtual environment or project must not steer where this one goes
    env = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH")}
    done = subprocess.run([uv.find_uv_bin(), *args], cwd=paths.engines_home(), env=env, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise EngineError(
            f"{recipe.name} {recipe.version} could not be installed: uv {args[0]} exited with {done.returncode}",
            mend="uv's own words are above; the network, a proxy or a full disk are the usual reasons",
        )


@contextmanager
def _lock(folder: Path, name: str) -> Iterator[None]:
    """A second install of the same engine waits for the first."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
