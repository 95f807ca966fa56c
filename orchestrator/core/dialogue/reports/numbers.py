"""What a verdict's episodes and times say, in numbers and in sentences that claim no more than the sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

from orchestrator.core.dialogue.findings import Episode, Verdict
from orchestrator.core.dialogue.prefix_cache import FEWEST, Cache, cache
from orchestrator.core.dialogue.statistics import Interval, bootstrap, wilson_lower
from orchestrator.core.dialogue.survival import Hazard, Point, Reading, hazards, median, reading, survival

ARM = "free_run"
"""The arm whose turns follow each other; the others only sample some."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """episodes: of the free run, those with a turn; points, hazards: a curve of one episode is no estimate, but is
    kept; share: None where it cannot be resampled; lines: sentences for people."""

    episodes: tuple[Episode, ...]
    clean: int
    points: tuple[Point, ...]
    hazards: tuple[Hazard, ...]
    reading: Reading
    share: Interval | None
    cache: Cache
    lines: tuple[str, ...]


def numbers(verdict: Verdict) -> Numbers:
    episodes = tuple(one for one in verdict.episodes if one.arm == ARM and one.turns)
    clean = sum(one.failed is None for one in episodes)
    points, share, read = survival(episodes), bootstrap(episodes), reading(episodes)
    kept = cache(verdict.pace)
    lines = [*_lines(len(episodes), clean, points, share, read)] if len(episodes) > 1 else []
    if kept.turns >= FEWEST:
        lines.append(f"prefix cache {kept.state}: {kept.reason}")
    return Numbers(episodes, clean, points, hazards(episodes), read, share, kept, tuple(lines))


def _lines(count: int, clean: int, points: tuple[Point, ...], share: Interval | None, read: Reading) -> list[str]:
    least = floored(wilson_lower(clean, count))
    lines = [f"{clean} of {count} episodes clean: at least {least} of such episodes at 95%"]
    last = points[-1]
    if clean < count:
        band = f"{floored(last.low)} to {raised(last.high)} at 95%"
        lines.append(f"right through turn {last.turn}: {percent(last.share)} of episodes ({band})")
        half = median(points)
        if half is not None:
            lines.append(f"half of the episodes had failed by turn {half}")
    if share is not None:
        band = f"{floored(share.low)} to {raised(share.high)} at 95%"
        lines.append(f"clean turns: {percent(share.estimate)} ({band}, bootstrap of {share.count} episodes)")
    if read.kind != "clean":
        lines.append(f"reading: {read.kind}: {read.reason}")
    return lines


def percent(share: float) -> str:
    return f"{share:.1%}"


def floored(share: float) -> str:
    """A lower bound, rounded down."""
    return f"{math.floor(share * 1000 + 1e-9) / 10:.1f}%"


def raised(share: float) -> str:
    """An upper bound, rounded up."""
    return f"{math.ceil(share * 1000 - 1e-9) / 10:.1f}%"
