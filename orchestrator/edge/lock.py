"""One `stack` at a time per stack: an advisory lock on a file that names its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from orchestrator.errors import LockHeld


@contextlib.contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Holds `path` for the block. Raises LockHeld, which names the pid and what it does, if another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = os.read(descriptor, 200).decode(errors="replace").strip() or "an unknown process"
            raise LockHeld(f"another stack is at work here: {who}", mend="wait for it, or end it") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()} ({what})\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
