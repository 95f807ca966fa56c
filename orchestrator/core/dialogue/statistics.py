"""What so many clean turns do and do not show."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from orchestrator.core.dialogue.findings import Episode

Z95 = 1.959963984540054
"""Two-sided 95% of the normal distribution, so the lower bound alone holds at 97.5%; the usual Wilson interval."""
FEWEST = 5
"""Episodes (or pairs) below which nothing is resampled: so few draws do not stand for what else could have come."""
DRAWS = 2000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95% interval; count: episodes or pairs that it rests on."""

    estimate: float
    low: float
    high: float
    count: int


def wilson_lower(good: int, total: int, z: float = Z95) -> float:
    """Lower end of Wilson's score interval for `good` of `total`; 0.0 for none at all (Wilson 1927)."""
    if good == 0:
        return 0.0
    share, square = good / total, z * z
    centre = share + square / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return (centre - spread) / (1 + square / total)


def wilson_upper(good: int, total: int, z: float = Z95) -> float:
    """Upper end of the same interval; 1.0 for none at all."""
    return 1 - wilson_lower(total - good, total, z)


def bound(clean: int, turns: int) -> str:
    """`40 clean turns: at least 91.2% at 95%, if turns were independent`; rounded down: never a claim beyond it."""
    if turns == 0:
        return "no turns"
    least = math.floor(wilson_lower(clean, turns) * 1000) / 10
    what = f"{clean} clean turns" if clean == turns else f"{clean} of {turns} turns clean"
    return f"{what}: at least {least:.1f}% at 95%, if turns were independent"


def risked(episode: Episode) -> int:
    """Turns in which its first failure could have come: up to that failure, or all that were asked."""
    return episode.turns if episode.failed is None else episode.failed


def bootstrap(episodes: Sequence[Episode], *, draws: int = DRAWS, seed: int = 1) -> Interval | None:
    """The share of clean turns up to the first failure. Whole episodes are drawn, since the turns of one hang together.

    None below FEWEST episodes, and where all draws are alike: an interval without width would claim certainty.
    """

    def share(drawn: Sequence[Episode]) -> float:
        return 1 - sum(one.failed is not None for one in drawn) / sum(risked(one) for one in drawn)

    return resampled([one for one in episodes if one.turns], share, draws=draws, seed=seed)


def resampled(
    values: Sequence[T], statistic: Callable[[Sequence[T]], float], *, draws: int = DRAWS, seed: int = 1
) -> Interval | None:
    """Percentile bootstrap (Efron 1979), the same for the same seed. None below FEWEST values or without spread."""
    if len(values) < FEWEST:
        return None
    chance = random.Random(f"bootstrap {seed}")
    found = sorted(statistic(chance.choices(values, k=len(values))) for _ in range(draws))
    if found[0] == found[-1]:
        return None
    low, high = found[math.floor(0.025 * (draws - 1))], found[math.ceil(0.975 * (draws - 1))]
    return Interval(statistic(values), low, high, len(values))
