"""Words of the probe's short questions, chosen by the seed."""

from __future__ import annotations

import random

from orchestrator.core.dialogue import wording


def city(seed: int) -> str:
    return random.Random(f"city {seed}").choice(wording.CITIES)


def cities(seed: int) -> tuple[str, str]:
    first, second = random.Random(f"cities {seed}").sample(wording.CITIES, 2)
    return first, second


def saying(seed: int) -> str:
    return " ".join(random.Random(f"say {seed}").sample(wording.WORDS, 3))


def words(seed: int, count: int) -> str:
    return " ".join(random.Random(f"words {seed}").sample(wording.WORDS, count))


def filler(seed: int, count: int) -> str:
    """So many words, none of which means anything here."""
    chosen = random.Random(f"filler {seed}")
    return " ".join(chosen.choice(wording.WORDS) for _ in range(count))
