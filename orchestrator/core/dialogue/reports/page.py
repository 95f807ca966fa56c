"""What the HTML page shows, as values: the template only lays it out, and escapes every one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.core.dialogue.compare import Comparison, compare
from orchestrator.core.dialogue.findings import Finding, Verdict
from orchestrator.core.dialogue.reports.numbers import Numbers, numbers
from orchestrator.core.dialogue.reports.plots import Plot, episode_plot, hazard_plot, pace_plot, survival_plot
from orchestrator.core.dialogue.reports.safe import cleaned, cut, plain, texts

MOST = 4000
"""Characters of one text on the page."""
OPEN = 6
"""Messages at the end of the transcript that are shown unfolded."""
SEVERITIES = {"F": "fails", "D": "degrades", "N": "note"}


@dataclass(frozen=True, slots=True)
class Row:
    """A finding; evidence: (name, text)."""

    finding: Finding
    severity: str
    where: str
    evidence: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Said:
    """A message; calls: as (name, arguments)."""

    role: str
    text: str
    calls: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Side:
    """One verdict. name: "" alone, else "A" or "B"; mark: how its series are drawn, "a" or "b"."""

    name: str
    mark: str
    verdict: Verdict
    numbers: Numbers
    rows: tuple[Row, ...]
    earlier: tuple[Said, ...]
    said: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """made: when, in words; cut_short: why the run ended early, "" = it did not."""

    title: str
    made: str
    cut_short: str
    sides: tuple[Side, ...]
    plots: tuple[Plot, ...]
    comparison: Comparison | None


def page(verdict: Verdict, other: Verdict | None = None, *, made: str = "", cut_short: str = "") -> Page:
    """One verdict, or the A and the B of a comparison."""
    if other is None:
        sides: tuple[Side, ...] = (_side("", "a", verdict),)
        comparison = None
    else:
        sides = (_side("A", "a", verdict), _side("B", "b", other))
        comparison = compare(verdict.episodes, other.episodes)
    title = " against ".join(side.verdict.model for side in sides)
    return Page(title, made, plain(cut_short), sides, _plots(sides), comparison)


def _side(name: str, mark: str, verdict: Verdict) -> Side:
    shown = cleaned(verdict)
    said = tuple(_said(one) for one in shown.transcript)
    return Side(name, mark, shown, numbers(shown), tuple(map(_row, shown.findings)), said[:-OPEN], said[-OPEN:])


def _row(one: Finding) -> Row:
    turn = f", turn {one.turn}" if one.turn else ""
    where = f"{one.scenario}{turn}{', streamed' if one.streamed else ''}"
    evidence = zip(one.evidence, texts(list(one.evidence.values()), MOST), strict=True)
    return Row(one, SEVERITIES[one.severity], where, tuple(evidence))


def _said(message: dict[str, Any]) -> Said:
    """Whatever a message holds: it may be what a broken server said."""
    calls = message.get("tool_calls") or ()
    made = [call.get("function") or {} for call in calls if isinstance(call, dict)]
    named = tuple((str(one.get("name", "")), cut(str(one.get("arguments", "")), MOST)) for one in made)
    content = message.get("content")
    (text,) = texts([content], MOST) if content else ("",)
    return Said(str(message.get("role", "")), text, named)


def _plots(sides: Sequence[Side]) -> tuple[Plot, ...]:
    """Those for which there is anything to plot; a curve takes two episodes."""
    walked = [side for side in sides if side.numbers.episodes]
    several = [side for side in walked if len(side.numbers.episodes) > 1]
    paced = [side for side in sides if side.verdict.pace]
    plots = []
    if several:
        rows = [(side.mark, side.numbers.points) for side in several]
        told = "Kaplan-Meier estimate with its 95% band; episodes that ended clean are censored."
        plots.append(survival_plot(rows, "How long it holds", told))
        bins = [(side.mark, side.numbers.hazards) for side in several]
        read = ", ".join(f"{side.name} {side.numbers.reading.kind}".strip() for side in several)
        told = f"First failures per turn at risk, with Wilson's 95% interval. Rising is drift, flat is flake: {read}."
        plots.append(hazard_plot(bins, "When it breaks", told))
    if walked:
        lanes = [(side.mark, side.numbers.episodes) for side in walked]
        plots.append(
            episode_plot(lanes, "Episodes", "One line an episode: a cross is the first failure, a ring the end.")
        )
    if paced:
        dots = [(side.mark, side.verdict.pace) for side in paced]
        states = ", ".join(f"{side.name} {side.numbers.cache.state}".strip() for side in paced)
        plots.append(
            pace_plot(
                dots, "Time to the first token", f"Prefix cache: {states}. With a warm one, only new tokens take time."
            )
        )
    return tuple(plots)
