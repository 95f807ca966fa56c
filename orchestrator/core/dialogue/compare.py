"""A/B: the same episodes (by seed) on two servers. Is the difference more than chance?"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.core.dialogue.findings import Episode
from orchestrator.core.dialogue.statistics import Interval, resampled, risked

DOUBT = 0.05
ENOUGH = 7
"""Pairs that can show a difference at all: two tests, each two-sided, and 2 * 2 / 2**7 is the first below DOUBT."""
EXACT = 5_000_000
"""Steps of work up to which all signs are counted; beyond, the normal distribution is as good."""
Pair = tuple[Episode, Episode]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Counts are of pairs, cut where the shorter of the two ended. p_episodes: exact McNemar on clean or failed;
    p_turns: exact sign flips of the difference in clean turns; p: the smaller, doubled for having looked twice; gain:
    clean turns of A less those of B on average, None below five pairs or without spread; better: None = not shown."""

    pairs: int
    unpaired: int
    both_clean: int
    only_a_failed: int
    only_b_failed: int
    both_failed: int
    p_episodes: float
    p_turns: float
    p: float
    gain: Interval | None
    better: Literal["A", "B"] | None
    words: str


def compare(a: Sequence[Episode], b: Sequence[Episode], *, seed: int = 1) -> Comparison:
    """Paired by arm and seed; what has no partner is only counted."""
    pairs = _paired(a, b)
    failed = Counter(_failed(pair) for pair in pairs)
    only_a, only_b = failed[True, False], failed[False, True]
    gains = [_gain(pair) for pair in pairs]
    by_episodes, by_turns = mcnemar(only_a, only_b), sign_flips(gains)
    p = min(1.0, 2 * min(by_episodes, by_turns))
    lead = sum(gains) or only_b - only_a
    better: Literal["A", "B"] | None = None if p >= DOUBT or not lead else "A" if lead > 0 else "B"
    gain = resampled(gains, lambda drawn: sum(drawn) / len(drawn), seed=seed)
    return Comparison(
        pairs=len(pairs),
        unpaired=len([one for one in (*a, *b) if one.turns]) - 2 * len(pairs),
        both_clean=failed[False, False],
        only_a_failed=only_a,
        only_b_failed=only_b,
        both_failed=failed[True, True],
        p_episodes=by_episodes,
        p_turns=by_turns,
        p=p,
        gain=gain,
        better=better,
        words=_words(len(pairs), p, better, gain),
    )


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p of two counts of discordant pairs (McNemar 1947): binomial with 1/2."""
    total, less = only_a + only_b, min(only_a, only_b)
    return min(1.0, 2 * sum(math.comb(total, k) for k in range(less + 1)) / (1 << total))


def sign_flips(differences: Sequence[int]) -> float:
    """Two-sided p of their sum, were each as likely to have the other sign (Fisher's randomization test): exact."""
    sizes = [abs(one) for one in differences if one]
    seen = abs(sum(differences))
    if not sizes:
        return 1.0
    if sum(sizes) * len(sizes) > EXACT:
        return math.erfc(seen / math.sqrt(2 * sum(size * size for size in sizes)))
    ways: dict[int, int] = {0: 1}
    for size in sizes:
        more: defaultdict[int, int] = defaultdict(int)
        for total, count in ways.items():
            more[total + size] += count
            more[total - size] += count
        ways = more
    return sum(count for total, count in ways.items() if abs(total) >= seen) / (1 << len(sizes))


def _paired(a: Sequence[Episode], b: Sequence[Episode]) -> list[Pair]:
    """By arm and seed; of several with the same ones the first with the first, and so on."""
    waiting: defaultdict[tuple[str, int], list[Episode]] = defaultdict(list)
    for one in b:
        if one.turns:
            waiting[one.arm, one.seed].append(one)
    return [(one, waiting[one.arm, one.seed].pop(0)) for one in a if one.turns and waiting[one.arm, one.seed]]


def _horizon(pair: Pair) -> int:
    """The turns that both would have reached: an episode that was cut short says nothing of what comes after."""
    return min((one.turns for one in pair if one.failed is None), default=max(map(risked, pair)))


def _failed(pair: Pair) -> tuple[bool, bool]:
    horizon = _horizon(pair)
    first, second = (one.failed is not None and one.failed <= horizon for one in pair)
    return first, second


def _gain(pair: Pair) -> int:
    """Clean turns of the first less those of the second, within the horizon."""
    horizon = _horizon(pair)
    first, second = (min(horizon if one.failed is None else one.failed - 1, horizon) for one in pair)
    return first - second


def _words(pairs: int, p: float, better: str | None, gain: Interval | None) -> str:
    if not pairs:
        return "nothing to compare: no seed was walked on both sides"
    count = f"{pairs} pair{'s' if pairs != 1 else ''}"
    if better is None:
        few = f"; fewer than {ENOUGH} cannot show one" if pairs < ENOUGH else ""
        return f"no difference shown in {count} (p = {p:.2g}){few}"
    told = f"the difference is real (p = {p:.2g}, {count}): {better} holds longer"
    if gain is None:
        return told
    low, high = sorted((abs(gain.low), abs(gain.high)))
    return f"{told}, by {abs(gain.estimate):.1f} clean turns ({low:.1f} to {high:.1f} at 95%)"
