"""The stacks that this machine knows: a state folder each, which remembers its stack.yaml, and whether they run now."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.edge.paths import StackPaths, state_home
from orchestrator.edge.run.session import ORIGIN


@dataclass(frozen=True, slots=True)
class KnownStack:
    """file: its stack.yaml when it was last pulled or up, None = it does not say; runs: its daemon lives."""

    paths: StackPaths
    file: Path | None
    runs: bool

    @property
    def name(self) -> str:
        return self.paths.name


def known() -> list[KnownStack]:
    """By name. A folder that is a link is not ours."""
    home = state_home()
    folders = sorted(home.iterdir()) if home.is_dir() else []
    return [_one(StackPaths(folder.name)) for folder in folders if folder.is_dir() and not folder.is_symlink()]


def _one(paths: StackPaths) -> KnownStack:
    try:
        text = (paths.state / ORIGIN).read_text().strip()
    except (OSError, UnicodeDecodeError):
        text = ""
    return KnownStack(paths, Path(text) if text else None, locked(paths.state / "daemon.lock"))


def locked(path: Path) -> bool:
    """Whether a process holds that lock (edge/lock.py) now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
