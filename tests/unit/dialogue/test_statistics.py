from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.dialogue.findings import Episode
from orchestrator.core.dialogue.statistics import bootstrap, bound, resampled, wilson_lower, wilson_upper
from tests.unit.dialogue.episodes import failing, some_episodes


@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_holds_the_share_and_never_passes_it(good: int, bad: int) -> None:
    total = good + bad
    low, high = wilson_lower(good, total), wilson_upper(good, total)
    share = good / total if total else 0.5
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1


@given(st.integers(0, 200), st.integers(1, 200))
def test_more_clean_turns_raise_the_bound_and_one_bad_one_lowers_it(good: int, more: int) -> None:
    assert wilson_lower(good + more, good + more) > wilson_lower(good, good)
    assert wilson_lower(good, good + 1) <= wilson_lower(good, good) or good == 0


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    """81 of 263: 0.2553 to 0.3662 (Newcombe 1998, Statistics in Medicine 17:857, table I, method 3)."""
    assert wilson_lower(81, 263) == pytest.approx(0.2553, abs=5e-5)
    assert wilson_upper(81, 263) == pytest.approx(0.3662, abs=5e-5)
    assert wilson_upper(0, 20) == pytest.approx(0.1611, abs=5e-5)


@given(st.integers(1, 400))
def test_the_sentence_claims_no_more_than_the_bound(turns: int) -> None:
    claimed = float(bound(turns, turns).split("at least ")[1].split("%")[0])
    assert claimed <= wilson_lower(turns, turns) * 100
    assert claimed > wilson_lower(turns, turns) * 100 - 0.1001


@given(some_episodes(fewest=5))
def test_the_bootstrap_is_the_same_for_the_same_seed_and_holds_shares(episodes: list[Episode]) -> None:
    found = bootstrap(episodes, draws=200)
    assert found == bootstrap(episodes, draws=200)
    if found is not None:
        assert 0 <= found.low <= found.high <= 1
        assert found.low <= found.estimate <= found.high or math.isclose(found.low, found.high, abs_tol=0.2)
        assert found.count == len(episodes)


def test_the_bootstrap_of_few_or_of_episodes_that_are_all_alike_says_nothing() -> None:
    assert bootstrap(failing(3, None, 9, None)) is None
    assert bootstrap(failing(None, None, None, None, None)) is None
    assert bootstrap(failing(8, 8, 8, 8, 8, 8)) is None


def test_episodes_without_a_turn_are_no_episodes() -> None:
    unasked = [Episode("free_run", 9, 0)]
    assert bootstrap([*failing(3, None, 9, None), *unasked]) is None
    assert bootstrap([*failing(3, None, 9, None, 30), *unasked]) == bootstrap(failing(3, None, 9, None, 30))


def test_the_bootstrap_counts_turns_up_to_the_first_failure_and_draws_whole_episodes() -> None:
    found = bootstrap(failing(10, 20, None, None, None))
    assert found is not None
    assert found.estimate == pytest.approx(1 - 2 / 150)
    assert found.high == 1.0
    lone = bootstrap([Episode("free_run", n, 40, turn) for n, turn in enumerate((10, 20, None, None, None))])
    assert lone == found, "turns after a failure that did not end the walk are not at risk"


def test_the_interval_of_a_mean_is_about_that_of_the_normal_distribution() -> None:
    found = resampled(list(range(100)), lambda drawn: sum(drawn) / len(drawn))
    assert found is not None
    spread = 1.96 * math.sqrt((100**2 - 1) / 12 / 100)
    assert found.estimate == 49.5
    assert found.low == pytest.approx(49.5 - spread, abs=0.6)
    assert found.high == pytest.approx(49.5 + spread, abs=0.6)
