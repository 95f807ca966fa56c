"""A progress bar for bytes, on stderr; without a terminal a line every tenth."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.core.units import show_size


@contextmanager
def meter(what: str, total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with each count of bytes, from any thread."""
    if quiet:
        yield lambda count: None
    elif sys.stderr.isatty():
        with _bar(what, total) as advance:
            yield advance
    else:
        yield _lines(what, total)


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.advance(task, count)


def _lines(what: str, total: int) -> Callable[[int], None]:
    lock, done, said = threading.Lock(), 0, 0

    def advance(count: int) -> None:
        nonlocal done, said
        with lock:
            done += count
            tenth = done * 10 // total if total else 10
            if tenth > said:
                said = tenth
                print(f"{what}: {show_size(done)} of {show_size(total)}", file=sys.stderr)

    return advance
