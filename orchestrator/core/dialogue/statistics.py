"""What so many clean turns do and do not show."""

from __future__ import annotations

import math

Z95 = 1.959963984540054
"""Two-sided 95% of the normal distribution, so the lower bound alone holds at 97.5%; the usual Wilson interval."""


def wilson_lower(good: int, total: int, z: float = Z95) -> float:
    """Lower end of Wilson's score interval for `good` of `total`; 0.0 for none at all (Wilson 1927)."""
    if total == 0:
        return 0.0
    share, square = good / total, z * z
    centre = share + square / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return (centre - spread) / (1 + square / total)


def bound(clean: int, turns: int) -> str:
    """`40 clean turns: at least 91.2% at 95%, if turns were independent`; rounded down: never a claim beyond it."""
    if turns == 0:
        return "no turns"
    least = math.floor(wilson_lower(clean, turns) * 1000) / 10
    what = f"{clean} clean turns" if clean == turns else f"{clean} of {turns} turns clean"
    return f"{what}: at least {least:.1f}% at 95%, if turns were independent"
