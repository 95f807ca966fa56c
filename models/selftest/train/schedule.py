"""What is trained when. Progress is the share of the wall-clock time gone, so training ends on time at any speed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """Until `until`: walks of `calls` calls, `budget` tokens of them a step beside `short` tokens of short tasks."""

    until: float
    calls: tuple[int, int]
    budget: int
    short: int
    brief: float
    copying: bool = False


PHASES = (
    Phase(0.06, (2, 8), 2400, 2400, 1.0, copying=True),
    Phase(0.16, (2, 10), 2800, 2000, 0.8),
    Phase(0.40, (2, 14), 3600, 1800, 0.5),
    Phase(0.70, (2, 14), 3600, 1400, 0.6),
    Phase(1.01, (3, 46), 4000, 1600, 0.2),
)
WARM_STEPS = 20
DECAY_FROM, DECAY_AT = 0.2, 0.7
"""Progress at which the rate begins to fall, and the factor to which it drops there at once."""


def phase(progress: float) -> Phase:
    return next(each for each in PHASES if progress < each.until)


def factor(progress: float, step: int) -> float:
    """Learning rate in [0.01, 1]: a short warm-up, level, then straight down."""
    down = 1.0 if progress < DECAY_FROM else max(0.01, DECAY_AT * (1 - progress) / (1 - DECAY_FROM))
    return min(1.0, (step + 1) / WARM_STEPS) * down
