"""Shows a daemon's events: moving lines on a terminal, plain ones elsewhere, nothing with --json."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from orchestrator.edge.control.words import words
from orchestrator.edge.run.api import Event


class View:
    """One line a model. `result` is the data of the last `done` event."""

    def __init__(self, *, quiet: bool) -> None:
        self.result: dict[str, Any] | None = None
        self._quiet = quiet
        self._lines: dict[str, str] = {}
        self._started = time.monotonic()
        self._live: Any = None

    def follow(self, events: Iterable[Event]) -> None:
        """Returns at the `done` event, or when the events end."""
        with self._screen() as self._live:
            for event in events:
                if event.kind == "done":
                    self.result = event.data or {}
                    return
                self._show(event)

    def _screen(self) -> Any:
        if self._quiet or not sys.stderr.isatty():
            return nullcontext(None)
        from rich.console import Console
        from rich.live import Live

        return Live(console=Console(stderr=True), refresh_per_second=8, get_renderable=self._render, transient=True)

    def _render(self) -> Any:
        from rich.spinner import Spinner
        from rich.table import Table

        table = Table.grid(padding=(0, 1))
        elapsed = f"{time.monotonic() - self._started:5.1f} s"
        for model, line in self._lines.items():
            table.add_row(Spinner("dots"), elapsed, model, line)
        return table

    def _show(self, event: Event) -> None:
        data = event.data or {}
        text = words(event)
        self._lines[event.model] = text
        lasting = event.kind in ("engine", "verdict", "log", "turn")
        if self._quiet or not lasting:
            return
        line = f"{time.monotonic() - self._started:6.1f} s  {event.model}: {text}"
        if self._live is None:
            print(line, file=sys.stderr, flush=True)
        else:
            self._live.console.print(line, markup=False, highlight=False)
        details = data.get("details")
        for detail in details if isinstance(details, list) else ():
            print(f"          | {detail}", file=sys.stderr)
