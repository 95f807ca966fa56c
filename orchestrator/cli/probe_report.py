"""What people see of a probe: a line per turn while it runs (on stderr), then the verdict in words."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

_MEANS = {"F": "fails", "D": "degrades", "N": "note"}


class Report:
    """Colours and a moving last line on a terminal, plain lines elsewhere, nothing when quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._status: Any = None
        self._console: Any = None

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console

            self._console = Console(stderr=True, highlight=False, soft_wrap=True)
            self._status = self._console.status("probing")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def line(self, text: str) -> None:
        if not self._quiet and text:
            self._print(text, "")

    def turn(self, turn: dict[str, Any]) -> None:
        """`turn` as a dict of ask.Turn."""
        if self._quiet:
            return
        place = f"{turn['turn']}/{turn['of']}" if turn["turn"] else ""
        how = "stream" if turn["streamed"] else ""
        mark = "ok " if turn["ok"] else "BAD"
        where = f"{turn['scenario']} {place}".rstrip()
        text = f"{turn['number']:>4}  {where:<18} {how:<6} {mark} {turn['seconds']:6.2f} s  {turn['text'][:100]}"
        self._print(text, "" if turn["ok"] else "red")
        if self._status is not None:
            self._status.update(f"probing: {where}")

    def _print(self, text: str, style: str) -> None:
        if self._console is not None:
            self._console.print(text, style=style or None, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def summary(self, verdict: dict[str, Any]) -> str:
        """The verdict, what it rests on, and each finding with its culprit and mend."""
        lines = [f"{verdict['model']}: {verdict['verdict']} ({verdict['tier']} tier, {verdict['seconds']:.1f} s)"]
        lines.append(f"  {verdict['bound']}")
        if verdict["skipped"]:
            lines.append(f"  left out, as probe.json beside the weights asks: {', '.join(verdict['skipped'])}")
        if verdict["first_failure"]:
            lines.append(f"  first failure at turn {verdict['first_failure']}")
        for found in verdict["findings"]:
            how = ", streamed" if found["streamed"] else ""
            turn = f" turn {found['turn']}" if found["turn"] else ""
            lines.append(f"  {_MEANS[found['severity']]}: {found['code']} ({found['culprit']})")
            lines.append(f"      {found['scenario']}{turn}{how}: {found['text']}")
            lines.append(f"      {found['mend']}")
        return "\n".join(lines)
