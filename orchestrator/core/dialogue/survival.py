"""How long the tool path holds: the first failures of several episodes, some of which ended without one (censored)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.core.dialogue.findings import Episode
from orchestrator.core.dialogue.statistics import Z95, risked, wilson_lower, wilson_upper

Kind = Literal["drift", "flake", "mismatch", "clean", "too few"]
ALL_AT_FIRST = 3
"""Episodes that must all fail at turn 1 to be called a mismatch."""
DOUBT = 0.05
STEEP = 3.0
"""The rise from the early to the late half of the turns that must be excluded before failures are called flat."""
DOUBT_FLAT = 0.1


@dataclass(frozen=True, slots=True)
class Point:
    """After turn `turn`: share of episodes without a failure so far, with its 95% band; at_risk: those that reached
    this turn without one; failures: first failures in it."""

    turn: int
    at_risk: int
    failures: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Hazard:
    """Turns first..last: first failures per turn at risk, with Wilson's 95% interval; at_risk: in turns."""

    first: int
    last: int
    at_risk: int
    failures: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Reading:
    kind: Kind
    reason: str


def survival(episodes: Sequence[Episode]) -> tuple[Point, ...]:
    """Kaplan and Meier 1958, a point a turn; the band is Greenwood's on the log-log scale, so it stays within 0..1.

    That band has no width where no failure or nothing but failure was seen: Wilson's bound for the episodes at risk
    stands in there, for an undisturbed turn is no proof of the next.
    """
    points: list[Point] = []
    share, variance, low, high = 1.0, 0.0, 1.0, 1.0
    for turn in range(1, max((risked(one) for one in episodes), default=0) + 1):
        at_risk = sum(risked(one) >= turn for one in episodes)
        failures = sum(one.failed == turn for one in episodes)
        if failures == at_risk:
            share, bottom, high = 0.0, 0.0, min(high, wilson_upper(0, at_risk))
        else:
            share *= 1 - failures / at_risk
            variance += failures / (at_risk * (at_risk - failures))
            bottom, high = (wilson_lower(at_risk, at_risk), 1.0) if share == 1 else _log_log(share, variance)
        low = min(low, bottom)
        points.append(Point(turn, at_risk, failures, share, low, high))
    return tuple(points)


def _log_log(share: float, variance: float) -> tuple[float, float]:
    spread = Z95 * math.sqrt(variance) / -math.log(share)
    # exp overflows past 709; a share to such a power is 0 long before
    return share ** math.exp(min(spread, 700)), share ** math.exp(-spread)


def median(points: Sequence[Point]) -> int | None:
    """The turn by which half of the episodes failed; None where the curve does not fall so far."""
    return next((point.turn for point in points if point.share <= 0.5), None)


def hazards(episodes: Sequence[Episode], width: int = 10) -> tuple[Hazard, ...]:
    """`width` turns a bin, up to the last turn that any episode reached without an earlier failure."""
    last = max((risked(one) for one in episodes), default=0)
    return tuple(_hazard(episodes, first, min(first + width - 1, last)) for first in range(1, last + 1, width))


def _hazard(episodes: Sequence[Episode], first: int, last: int) -> Hazard:
    at_risk = sum(max(min(risked(one), last) - first + 1, 0) for one in episodes)
    failures = sum(first <= one.failed <= last for one in episodes if one.failed is not None)
    low, high = wilson_lower(failures, at_risk), wilson_upper(failures, at_risk)
    return Hazard(first, last, at_risk, failures, failures / at_risk, low, high)


def reading(episodes: Sequence[Episode]) -> Reading:
    """Rising = drift, flat = flake, all at turn 1 = mismatch; `too few` where the sample shows none of these.

    The turns at risk are cut into an early and a late half; given the number of failures, those in the late half are
    binomial if the hazard is constant.
    """
    asked = [one for one in episodes if one.turns]
    failed = [one.failed for one in asked if one.failed is not None]
    if not failed:
        return Reading("clean", f"no failure in {len(asked)} episodes") if asked else Reading("too few", "no episodes")
    told = f"{_times(len(failed), 'failure')} in {_times(len(asked), 'episode')}"
    if all(turn == 1 for turn in failed) and len(failed) == len(asked):
        known = len(failed) >= ALL_AT_FIRST
        return Reading("mismatch" if known else "too few", f"{told}, all at turn 1")
    early, late = _halves(asked)
    if not late.at_risk:
        return Reading("too few", told)
    rise = _rise(early, late)
    where = f"{told}: {early.failures} up to turn {early.last}, {late.failures} later"
    if len(set(failed)) == 1 < len(failed):
        where = f"{told}, always at turn {failed[0]}: look at what it asks"
    if rise < DOUBT:
        return Reading("drift", f"{where} (p = {rise:.2g} if the risk were the same)")
    if _no_rise(early, late) < DOUBT_FLAT:
        return Reading("flake", f"{where}; the risk does not rise {STEEP:g} times (at 90%)")
    return Reading("too few", f"{where}; a rise is neither shown nor excluded")


def _halves(episodes: Sequence[Episode]) -> tuple[Hazard, Hazard]:
    """Early and late, with about as many turns at risk in each."""
    last, whole = max(risked(one) for one in episodes), sum(risked(one) for one in episodes)
    split = min(range(1, last + 1), key=lambda turn: abs(_hazard(episodes, 1, turn).at_risk - whole / 2))
    late = _hazard(episodes, split + 1, last) if split < last else Hazard(last, last, 0, 0, 0.0, 0.0, 1.0)
    return _hazard(episodes, 1, split), late


def _rise(early: Hazard, late: Hazard) -> float:
    """Probability of so many late failures or more under a constant hazard."""
    return _at_least(late.failures, early.failures + late.failures, late.at_risk / (early.at_risk + late.at_risk))


def _no_rise(early: Hazard, late: Hazard) -> float:
    """Probability of so few late failures if the late hazard were STEEP times the early one."""
    share = STEEP * late.at_risk / (early.at_risk + STEEP * late.at_risk)
    return _at_least(early.failures, early.failures + late.failures, 1 - share)


def _at_least(count: int, total: int, share: float) -> float:
    return sum(math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in range(count, total + 1))


def _times(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"
