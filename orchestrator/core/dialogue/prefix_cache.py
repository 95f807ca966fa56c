"""Is the prefix cache alive? With it, the time to the first token grows with the new tokens; without it, with all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from orchestrator.core.dialogue.findings import Pace

State = Literal["alive", "cold", "unclear"]
Row = tuple[float, float, float]
FEWEST = 12
"""Streamed turns below which nothing is said."""
ERRORS = 4.0
"""Standard errors by which a slope must lead: with FEWEST turns, 1 in 600 by chance, far less with more."""
FIT = 0.7
"""Share of the variance that must be explained before a cache is called cold."""
NEARLY_ALL = 0.6
"""Power of the prompt's length with which the time must grow to be called cold: 1 = in proportion. Attention over what
is cached stays below it: it is little beside the weights until a prompt has many times the model's width in tokens."""
MATTERS = 0.3
"""Seconds between the shortest and the longest prompt. Below it lie templates, tokenizers and the network, which read
all of a prompt whatever the cache does."""
HELD = 0.5
"""Share of the tokens seen before that a server must say it took from its cache to be believed that it has one."""
MUCH_LESS = 3.0
"""A cached token must cost less than a new one by this factor for the cache to be called alive."""
CLOCK = 1e-4
"""Seconds: shorter times and differences are the clock's."""


@dataclass(frozen=True, slots=True)
class Cache:
    """seconds to the first token = base + per_new x new tokens + per_token x all prompt tokens, by least squares; the
    three are None where that cannot be solved. fit: share of the variance explained; turns: those measured."""

    state: State
    reason: str
    turns: int
    base: float | None = None
    per_new: float | None = None
    per_token: float | None = None
    fit: float | None = None


@dataclass(frozen=True, slots=True)
class _Fit:
    """x: slope of what is new, y: of all; xx, xy, yy: the inverse of their centred sums of squares and products;
    noise: variance of the residuals."""

    base: float
    x: float
    y: float
    xx: float
    xy: float
    yy: float
    noise: float
    explained: float

    def leads(self, x: float, y: float) -> float:
        """x times the slope of what is new + y times that of all, in its standard errors."""
        value = x * self.x + y * self.y
        error = math.sqrt(self.noise * max(x * x * self.xx + 2 * x * y * self.xy + y * y * self.yy, 0.0))
        return value / error if error > 0 else math.copysign(math.inf, value) if value else 0.0


def cache(pace: Sequence[Pace]) -> Cache:
    """Alive: the server counts seen tokens as cached (usage.prompt_tokens_details), or they cost far less than new
    ones. A count of zero proves nothing: some servers do not count. Cold only on strong evidence: the time is nearly in
    proportion to the whole prompt, more than to what is new, by ERRORS standard errors; the growth MATTERS; and it
    starts anew with a new conversation, which a machine that slows down does not. What hides in the noise is unclear.
    """
    if len(pace) < FEWEST:
        return Cache("unclear", f"{len(pace)} streamed turns were measured, {FEWEST} are needed", len(pace))
    held = _held(pace)
    if held >= HELD:
        return Cache("alive", f"the server took {held:.0%} of the tokens that it had seen from its cache", len(pace))
    times = [one.first for one in pace]
    if max(times) - min(times) < CLOCK:
        return Cache("unclear", "the times do not vary", len(pace))
    seconds = _least_squares([(float(one.new_tokens), float(one.prompt_tokens), one.first) for one in pace])
    powers = _least_squares([_logarithms(one) for one in pace])
    if seconds is None or powers is None:
        return Cache("unclear", "new tokens and prompts do not vary apart from each other", len(pace))
    state, reason = _judged(pace, seconds, powers)
    return Cache(state, reason, len(pace), seconds.base, seconds.x, seconds.y, seconds.explained)


def _held(pace: Sequence[Pace]) -> float:
    """The share of tokens seen before that the server counts as cached; 0 where most turns have no count."""
    told = [(one.cached, one.prompt_tokens - one.new_tokens) for one in pace if one.cached is not None]
    if len(told) < len(pace) / 2:
        return 0.0
    return sum(min(cached, seen) for cached, seen in told) / max(sum(seen for _, seen in told), 1)


def _judged(pace: Sequence[Pace], seconds: _Fit, powers: _Fit) -> tuple[State, str]:
    sizes = [one.prompt_tokens for one in pace]
    growth = seconds.y * (max(sizes) - min(sizes))
    told = f"from {min(sizes)} to {max(sizes)} prompt tokens the first token takes {max(growth, 0) * 1000:,.0f} ms more"
    if seconds.leads(1, -MUCH_LESS) >= ERRORS and seconds.leads(1, 1) >= ERRORS:
        price = max((seconds.x + seconds.y) * 1_000_000, 0.0)
        return "alive", f"1,000 new tokens take {price:,.0f} ms; {told}"
    if growth < MATTERS or powers.y < NEARLY_ALL or powers.explained < FIT or powers.leads(-1, 1) < ERRORS:
        return "unclear", f"{told}: no proof either way"
    if not any(after.prompt_tokens < before.prompt_tokens for before, after in pairwise(pace)):
        return "unclear", f"{told}, in one conversation: it may be the machine that slows down"
    return "cold", f"{told}, with as few new ones"


def _logarithms(one: Pace) -> Row:
    return math.log(max(one.new_tokens, 1)), math.log(max(one.prompt_tokens, 1)), math.log(max(one.first, CLOCK))


def _least_squares(rows: Sequence[Row]) -> _Fit | None:
    """Rows of (what is new, all, time). None where the first two cannot be told apart."""
    count = len(rows)
    means = [sum(column) / count for column in zip(*rows, strict=True)]
    centred = [[value - mean for value, mean in zip(row, means, strict=True)] for row in rows]
    sxx, sxy, syy = (sum(row[i] * row[j] for row in centred) for i, j in ((0, 0), (0, 1), (1, 1)))
    sxt, syt, stt = (sum(row[i] * row[2] for row in centred) for i in range(3))
    determinant = sxx * syy - sxy * sxy
    if determinant <= 1e-9 * sxx * syy or not stt:
        return None
    x, y = (syy * sxt - sxy * syt) / determinant, (sxx * syt - sxy * sxt) / determinant
    left = max(stt - x * sxt - y * syt, 0.0)
    inverse = (syy / determinant, -sxy / determinant, sxx / determinant)
    return _Fit(means[2] - x * means[0] - y * means[1], x, y, *inverse, left / (count - 3), 1 - left / stt)
