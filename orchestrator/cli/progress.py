"""What people see while something takes time: on stderr, and only on a terminal does it move."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def waiting(text: str, *, after: float = 0) -> Iterator[None]:
    """A spinner with the elapsed time on a terminal; one plain line elsewhere, once `after` seconds have passed."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        line = threading.Timer(after, _say, (text,))
        if after:
            line.start()
        else:
            _say(text)
        try:
            yield
        finally:
            line.cancel()
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        progress.add_task(text, total=None)
        yield


def _say(text: str) -> None:
    print(f"{text} ...", file=sys.stderr, flush=True)
