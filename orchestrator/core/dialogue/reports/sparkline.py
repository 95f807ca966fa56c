"""A curve in one line of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 40


def sparkline(shares: Sequence[float], width: int = WIDTH) -> str:
    """Values of 0..1 as blocks; of more values than fit, each block shows the lowest of its part."""
    count = min(len(shares), width)
    parts = [shares[len(shares) * i // count : len(shares) * (i + 1) // count] for i in range(count)]
    return "".join(BLOCKS[_level(min(part))] for part in parts)


def _level(share: float) -> int:
    """Full only when all of it is there, empty only when none is."""
    if share >= 1:
        return len(BLOCKS) - 1
    return 0 if share <= 0 else 1 + int(min(max(share, 0.0), 1.0) * (len(BLOCKS) - 2))
