"""Log files of engines: engines write them through an inherited O_APPEND descriptor, we rotate and read them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from orchestrator.core.plan import slug
from orchestrator.errors import EngineError

STARTED = "=== stack: started at "
LIMIT = 16 * 2**20
KEEP = 3


def path_of(folder: Path, model: str) -> Path:
    return folder / f"{slug(model)}.log"


def declared(name: str) -> Path:
    """Where Nix has launchd write: it makes no folder (nix/module/launchd.nix). name: the job's label."""
    return Path.home() / "Library" / "Logs" / f"{name}.log"


def opened(path: Path) -> BinaryIO:
    """The log, to be inherited. Raises EngineError when it cannot be written (a full disk, a read-only folder)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        rotate(path)
        handle = open(path, "ab", buffering=0)  # noqa: SIM115
        try:
            # a full disk shows only when written to
            handle.write(f"\n{STARTED}{datetime.now().astimezone().isoformat(timespec='seconds')}\n".encode())
        except OSError:
            handle.close()
            raise
    except OSError as error:
        raise EngineError(
            f"the log {path} cannot be written: {error.strerror}", mend="free space on that disk"
        ) from error
    return handle


def appending(path: Path) -> BinaryIO:
    """The log of an engine that does not write it itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return open(path, "ab", buffering=0)


def rotate(path: Path, limit: int = LIMIT) -> None:
    """Copies and truncates a log above `limit` bytes: the writer holds it open, so it cannot be renamed away."""
    if not path.exists() or path.stat().st_size < limit:
        return
    for number in range(KEEP - 1, 0, -1):
        older = path.with_suffix(f".log.{number}")
        if older.exists():
            older.replace(path.with_suffix(f".log.{number + 1}"))
    shutil.copyfile(path, path.with_suffix(".log.1"))
    os.truncate(path, 0)


def tail(path: Path, lines: int = 15, *, this_run: bool = False) -> tuple[str, ...]:
    """The last lines of a log, () if there is none; `this_run`: only what came after the last start."""
    try:
        with open(path, "rb") as handle:
            handle.seek(max(0, path.stat().st_size - 64 * 1024))
            text = handle.read(64 * 1024).decode(errors="replace")
    except OSError:
        return ()
    if this_run:
        text = text.rpartition(STARTED)[2].partition("\n")[2]
    return tuple(line for line in text.splitlines() if line.strip())[-lines:]


def follow(path: Path, wait: float = 0.2) -> Iterator[str]:
    """Lines as they are written, for ever; starts over when the file is truncated."""
    import time

    position = path.stat().st_size if path.exists() else 0
    rest = b""
    while True:
        size = path.stat().st_size if path.exists() else 0
        if size < position:
            position, rest = 0, b""
        if size > position:
            with open(path, "rb") as handle:
                handle.seek(position)
                data = handle.read()
            position += len(data)
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
        else:
            time.sleep(wait)
