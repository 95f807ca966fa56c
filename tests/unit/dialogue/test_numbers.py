from __future__ import annotations

import pytest

from orchestrator.core.dialogue.findings import Episode
from orchestrator.core.dialogue.reports.numbers import floored, numbers, raised
from tests.unit.dialogue.episodes import failing, paced, verdict


def test_five_clean_episodes_claim_no_more_than_five_episodes_can() -> None:
    found = numbers(verdict(failing(*[None] * 5)))
    assert found.lines == ("5 of 5 episodes clean: at least 56.5% of such episodes at 95%",)
    assert (found.clean, found.share, found.reading.kind) == (5, None, "clean")


def test_lines_of_a_drift() -> None:
    found = numbers(verdict(failing(22, 25, 30, 33, 38)))
    assert found.lines[0] == "0 of 5 episodes clean: at least 0.0% of such episodes at 95%"
    assert found.lines[1].startswith("right through turn 38: 0.0% of episodes (0.0% to ")
    assert found.lines[2] == "half of the episodes had failed by turn 30"
    assert found.lines[3].startswith("clean turns: 96.6% (")
    assert found.lines[3].endswith(" at 95%, bootstrap of 5 episodes)")
    assert found.lines[4].startswith("reading: drift: 5 failures in 5 episodes")


def test_one_episode_is_no_sample() -> None:
    found = numbers(verdict(failing(9)))
    assert found.lines == ()
    assert [point.share for point in found.points] == [1.0] * 8 + [0.0]


def test_only_the_free_run_counts() -> None:
    others = [Episode("golden", 1, 40, 5), Episode("raw", 1, 40, 5), Episode("free_run", 1, 0)]
    assert numbers(verdict([*failing(None), *others])).episodes == tuple(failing(None))
    assert numbers(verdict()).lines == ()


def test_the_cache_is_told_where_it_was_measured() -> None:
    cold = verdict(failing(None), pace=tuple(paced(lambda prompt, new: 1e-3 * prompt)))
    (line,) = numbers(cold).lines
    assert line.startswith("prefix cache cold: from ")


@pytest.mark.parametrize(
    ("share", "low", "high"), [(0.91239, "91.2%", "91.3%"), (0.5, "50.0%", "50.0%"), (1.0, "100.0%", "100.0%")]
)
def test_bounds_are_rounded_away_from_the_claim(share: float, low: str, high: str) -> None:
    assert (floored(share), raised(share)) == (low, high)
