from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator.core.dialogue.findings import Pace
from orchestrator.core.dialogue.prefix_cache import cache
from tests.unit.dialogue.episodes import paced

Seconds = Callable[[int, int], float]
CHANCE = random.Random(3)


def noise(share: float) -> float:
    return 1 + CHANCE.gauss(0, share)


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(lambda prompt, new: 0.02 + 1.5e-4 * prompt * noise(0.03), id="gpu"),
        pytest.param(lambda prompt, new: 0.02 + 1e-3 * prompt * noise(0.05), id="cpu"),
        pytest.param(lambda prompt, new: 1e-3 * prompt * (1 + prompt / 6000), id="attention"),
        pytest.param(lambda prompt, new: 2e-4 * prompt, id="exact"),
    ],
)
def test_cold(seconds: Seconds) -> None:
    found = cache(paced(seconds))
    assert found.state == "cold", found


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(lambda prompt, new: 0.05 + 5e-3 * new * noise(0.03), id="cpu"),
        pytest.param(lambda prompt, new: 0.02 + 2e-4 * new, id="exact"),
        pytest.param(lambda prompt, new: new * 5e-4 * (1 + prompt / 1536) * noise(0.02), id="small model, attention"),
    ],
)
def test_alive(seconds: Seconds) -> None:
    found = cache(paced(seconds))
    assert found.state == "alive", found
    assert found.per_new is not None
    assert found.per_token is not None
    assert found.per_new > 3 * found.per_token


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(lambda prompt, new: 0.02, id="constant"),
        pytest.param(lambda prompt, new: abs(CHANCE.gauss(0.1, 0.05)), id="noise"),
        pytest.param(lambda prompt, new: 0.0, id="no clock"),
        pytest.param(lambda prompt, new: 0.004 + 2e-6 * prompt, id="a fast server's tokenizer"),
        pytest.param(lambda prompt, new: 0.5 + 5e-5 * prompt, id="growth little beside the network"),
        pytest.param(lambda prompt, new: 1e-3 * (prompt if CHANCE.random() < 0.3 else new), id="now and then"),
    ],
)
def test_unclear_is_no_accusation(seconds: Seconds) -> None:
    assert cache(paced(seconds)).state == "unclear"


def counted(cached: Callable[[Pace], int | None]) -> list[Pace]:
    """Times as if nothing were cached, and what the server counts."""
    return [replace(one, cached=cached(one)) for one in paced(lambda prompt, new: 1e-3 * prompt)]


@pytest.mark.parametrize(
    ("cached", "state"),
    [
        pytest.param(lambda one: one.prompt_tokens - one.new_tokens, "alive", id="all that it had seen"),
        pytest.param(lambda one: (one.prompt_tokens - one.new_tokens) // 16 * 16, "alive", id="in blocks"),
        pytest.param(lambda one: 0, "cold", id="a server that may not count"),
        pytest.param(lambda one: 20, "cold", id="the system prompt alone"),
        pytest.param(lambda one: one.prompt_tokens if one.turn == 8 else None, "cold", id="seldom told"),
    ],
)
def test_a_server_that_counts_what_it_cached_is_not_accused(cached: Callable[[Pace], int | None], state: str) -> None:
    found = cache(counted(cached))
    assert found.state == state, found


def test_a_machine_that_slows_down_in_one_walk_is_not_accused() -> None:
    found = cache(paced(lambda prompt, new: 1e-3 * prompt, walks=1))
    assert found.state == "unclear"
    assert "one conversation" in found.reason


def test_too_few_turns() -> None:
    found = cache(paced(lambda prompt, new: 1e-3 * prompt, walks=2, turns=10))
    assert (found.state, found.turns, found.per_new) == ("unclear", 10, None)
    assert "12 are needed" in found.reason


def test_the_slopes_are_those_that_made_the_times() -> None:
    found = cache(paced(lambda prompt, new: 0.3 + 2e-3 * new + 1e-4 * prompt))
    assert (found.base, found.per_new, found.per_token, found.fit) == pytest.approx((0.3, 2e-3, 1e-4, 1.0))


def test_what_cannot_be_told_apart_is_said_so() -> None:
    rows = [Pace(turn, 300 + 75 * turn, 75, 0.1 * turn) for turn in range(1, 21)]
    assert cache(rows).reason == "new tokens and prompts do not vary apart from each other"
    assert cache(paced(lambda prompt, new: 0.02)).reason == "the times do not vary"
