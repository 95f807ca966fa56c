from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given

from orchestrator.core.dialogue.findings import Episode
from orchestrator.core.dialogue.statistics import risked, wilson_lower, wilson_upper
from orchestrator.core.dialogue.survival import hazards, median, reading, survival
from tests.unit.dialogue.episodes import failing, some_episodes

LEUKEMIA = [6, 6, 6, 7, 10, 13, 16, 22, 23], [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
"""Weeks in remission with 6-MP: relapsed, censored (Freireich et al. 1963, Blood 21:699)."""
TEXTBOOK = {
    6: (21, 3, 0.8571, 0.6197, 0.9516),
    7: (17, 1, 0.8067, 0.5631, 0.9228),
    10: (15, 1, 0.7529, 0.5032, 0.8894),
    13: (12, 1, 0.6902, 0.4316, 0.8491),
    16: (11, 1, 0.6275, 0.3675, 0.8049),
    22: (7, 1, 0.5378, 0.2678, 0.7468),
    23: (6, 1, 0.4482, 0.1881, 0.6801),
}
"""week -> at risk, relapses, share, log-log band: Stata's `sts list`, R's survfit(conf.type="log-log")."""


def test_kaplan_and_meier_as_in_the_textbook() -> None:
    failed, censored = LEUKEMIA
    episodes = failing(*failed) + [Episode("free_run", 0, week) for week in censored]
    points = {point.turn: point for point in survival(episodes)}
    assert len(points) == 35
    for week, (at_risk, failures, share, low, high) in TEXTBOOK.items():
        point = points[week]
        assert (point.at_risk, point.failures) == (at_risk, failures)
        assert (point.share, point.low, point.high) == pytest.approx((share, low, high), abs=5e-5)
    assert points[35].share == points[23].share
    assert median(survival(episodes)) == 23


@given(some_episodes())
def test_survival_falls_within_its_band_and_nowhere_else(episodes: list[Episode]) -> None:
    points = survival(episodes)
    assert [point.turn for point in points] == list(range(1, max(map(risked, episodes), default=0) + 1))
    for before, after in pairwise(points):
        assert after.share <= before.share
        assert after.low <= before.low
        assert (after.share == before.share) is (after.failures == 0)
    for point in points:
        assert 0 <= point.low <= point.share <= point.high <= 1
        assert point.low < 1, "so many episodes prove nothing for sure"
    assert sum(point.failures for point in points) == sum(one.failed is not None for one in episodes)


@given(some_episodes(fewest=1))
def test_without_censoring_it_is_the_share_that_is_left(episodes: list[Episode]) -> None:
    failed = [one for one in episodes if one.failed is not None]
    for point in survival(failed):
        left = sum((one.failed or 0) > point.turn for one in failed) / len(failed)
        assert point.share == pytest.approx(left)


def test_where_no_failure_was_seen_the_band_is_wilsons() -> None:
    points = survival(failing(None, None, None, None, None))
    assert {(point.share, point.low, point.high) for point in points} == {(1.0, wilson_lower(5, 5), 1.0)}


def test_where_only_failures_were_seen_too() -> None:
    (point,) = survival(failing(1, 1, 1, 1))
    assert (point.share, point.low, point.high) == (0.0, 0.0, wilson_upper(0, 4))


def test_median_that_is_never_reached() -> None:
    assert median(survival(failing(3, None, None))) is None
    assert survival([]) == ()


@given(some_episodes())
def test_hazards_account_for_every_turn_and_failure(episodes: list[Episode]) -> None:
    bins = hazards(episodes)
    assert sum(row.failures for row in bins) == sum(one.failed is not None for one in episodes)
    assert sum(row.at_risk for row in bins) == sum(map(risked, episodes))
    for row in bins:
        assert row.at_risk > 0
        assert row.low <= row.rate <= row.high
        assert row.rate * row.at_risk == pytest.approx(row.failures)
        assert row.first % 10 == 1
    assert not bins or bins[-1].last == max(map(risked, episodes))


def test_hazard_of_ten_turns() -> None:
    first, second = hazards(failing(5, 12, None, of=15))
    assert (first.first, first.last, first.failures, first.at_risk) == (1, 10, 1, 25)
    assert (second.first, second.last, second.failures, second.at_risk) == (11, 15, 1, 2 + 5)


@pytest.mark.parametrize(
    ("turns", "kind"),
    [
        ([], "too few"),
        ([None], "clean"),
        ([None] * 5, "clean"),
        ([1], "too few"),
        ([1, 1], "too few"),
        ([1, 1, 1], "mismatch"),
        ([1, 1, 1, None], "flake"),
        ([7], "too few"),
        ([22, 25, 30, 33, 38], "drift"),
        ([4, 5, 5, 5, 6, 6], "drift"),
        ([30, None, None, None, None], "too few"),
        ([2, 9, 14, 21, 30], "too few"),
        ([1, 2, 2, 4, 5, 7, 9, 12, 15, 20, 27, None], "flake"),
    ],
)
def test_reading(turns: list[int | None], kind: str) -> None:
    found = reading(failing(*turns))
    assert found.kind == kind, found
    assert found.reason


def test_a_failure_always_at_the_same_turn_is_said_so() -> None:
    assert "always at turn 8" in reading(failing(8, 8, 8, 8, 8, 8)).reason


def test_few_are_misread() -> None:
    """Constant risks called drift, and rising ones called flake, in at most one of twenty samples of five."""
    chance = random.Random(11)

    def walked(risk: float, rise: float) -> int | None:
        return next((turn for turn in range(1, 41) if chance.random() < risk + rise * turn), None)

    def share(kind: str, risk: float, rise: float) -> float:
        return sum(reading(failing(*(walked(risk, rise) for _ in range(5)))).kind == kind for _ in range(400)) / 400

    assert max(share("drift", risk, 0) for risk in (0.01, 0.03, 0.1, 0.3, 0.6)) <= 0.06
    assert max(share("flake", 0, rise) for rise in (0.002, 0.01)) <= 0.06
    assert share("mismatch", 0.1, 0) == 0
