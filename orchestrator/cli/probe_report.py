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
        self.scenarios: dict[str, None] = {}
        """Those that were asked, in order."""

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
        self.scenarios.setdefault(turn["scenario"])
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
        lines += [f"  {line}" for line in statistics(verdict)]
        asked = [name for name in verdict["skipped"] if ": " not in name]
        if asked:
            lines.append(f"  left out, as probe.json beside the weights asks: {', '.join(asked)}")
        lines += [f"  left out: {name}" for name in verdict["skipped"] if ": " in name]
        if verdict["first_failure"]:
            lines.append(f"  first failure at turn {verdict['first_failure']}")
        for found in verdict["findings"]:
            how = ", streamed" if found["streamed"] else ""
            turn = f" turn {found['turn']}" if found["turn"] else ""
            lines.append(f"  {_MEANS[found['severity']]}: {found['code']} ({found['culprit']})")
            lines.append(f"      {found['scenario']}{turn}{how}: {found['text']}")
            lines.append(f"      {found['mend']}")
        return "\n".join(lines)

    def compared(self, a: dict[str, Any], b: dict[str, Any]) -> str:
        """Both verdicts of an A/B, and whether their difference is more than chance."""
        from orchestrator.core.dialogue.compare import compare
        from orchestrator.edge.probe.report import verdict_of

        found = compare(verdict_of(a).episodes, verdict_of(b).episodes)
        failed = f"failed: only A {found.only_a_failed}, only B {found.only_b_failed}, both {found.both_failed}"
        told = f"A/B: {found.words}\n  {failed}, none {found.both_clean}"
        return "\n".join((f"A: {self.summary(a)}", f"B: {self.summary(b)}", told))


def statistics(verdict: dict[str, Any]) -> list[str]:
    """The curve of the free runs without a failure, turn by turn, and what can be said of it."""
    from orchestrator.core.dialogue.reports.numbers import numbers
    from orchestrator.core.dialogue.reports.sparkline import sparkline
    from orchestrator.edge.probe.report import verdict_of

    found = numbers(verdict_of(verdict))
    if not found.points:
        return list(found.lines)
    turns = f"without a failure, turns 1 to {found.points[-1].turn}"
    return [f"{sparkline([point.share for point in found.points])}  {turns}", *found.lines]
