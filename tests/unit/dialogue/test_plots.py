from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.dialogue.findings import Episode
from orchestrator.core.dialogue.reports.plots import (
    LANES,
    Plot,
    episode_plot,
    hazard_plot,
    pace_plot,
    survival_plot,
    ticks,
)
from orchestrator.core.dialogue.survival import hazards, survival
from tests.unit.dialogue.episodes import failing, paced, some_episodes


def corners(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)]


def inside(plot: Plot, places: list[tuple[float, float]]) -> bool:
    across = all(plot.left - 0.01 <= x <= plot.right + 0.01 for x, _ in places)
    return across and all(plot.top - 0.01 <= y <= plot.bottom + 0.01 for _, y in places)


@given(st.floats(1e-4, 1e7))
def test_ticks_are_round_and_reach_the_end(high: float) -> None:
    marks = ticks(high)
    assert 2 <= len(marks) <= 7
    assert marks[0] == 0
    assert marks[-1] >= high * (1 - 1e-6) or marks[-1] == pytest.approx(high, rel=1e-3)


@given(some_episodes(fewest=1))
def test_everything_lies_in_the_frame(episodes: list[Episode]) -> None:
    curve = survival_plot([("a", survival(episodes))], "", "")
    for one in curve.curves:
        assert inside(curve, corners(one.line) + corners(one.band))
    bars = hazard_plot([("a", hazards(episodes)), ("b", hazards(episodes))], "", "")
    for bar in bars.bars:
        assert inside(bars, [(bar.x, bar.y), (bar.x + bar.width, bar.y + bar.height), (bar.middle, bar.high)])
        assert bar.high <= bar.y <= bar.low + 0.01
    lanes = episode_plot([("a", episodes)], "", "")
    assert inside(lanes, [(lane.x, lane.y) for lane in lanes.lanes])
    for plot in (curve, bars, lanes):
        assert inside(plot, [(tick.at, plot.bottom) for tick in plot.x_ticks])
        assert inside(plot, [(plot.left, tick.at) for tick in plot.y_ticks])


def test_the_curve_steps_down_at_the_failure() -> None:
    plot = survival_plot([("a", survival(failing(10, None, of=20)))], "", "")
    (curve,) = plot.curves
    half, middle = (plot.top + plot.bottom) / 2, (plot.left + plot.right) / 2
    assert (middle, half) in corners(curve.line)
    assert (middle, plot.top) in corners(curve.line)
    assert corners(curve.line)[-1] == (plot.right, half)
    assert [tick.label for tick in plot.y_ticks] == ["0%", "25%", "50%", "75%", "100%"]


def test_bars_tell_their_numbers() -> None:
    plot = hazard_plot([("a", hazards(failing(5, 12, None)))], "", "")
    assert plot.bars[0].title == "turns 1 to 10: 1 failures in 25 turns at risk"
    assert [tick.label for tick in plot.x_ticks] == ["1–10", "11–20", "21–30", "31–40"]
    assert len(hazard_plot([("a", hazards(failing(None, of=400)))], "", "").x_ticks) <= 6


def test_lanes_end_in_a_cross_or_a_ring_and_are_not_endless() -> None:
    first, second = episode_plot([("a", failing(8)), ("b", failing(None))], "", "").lanes
    assert (first.failed, first.title) == (True, "seed 0: depth_drift at turn 8")
    assert (second.failed, second.title, second.side) == (False, "seed 0: clean for 40 turns", "b")
    many = episode_plot([("a", failing(*[None] * 100))], "", "")
    assert len(many.lanes) == LANES


def test_times_are_milliseconds_over_tokens() -> None:
    times = paced(lambda prompt, new: 1e-3 * prompt)
    plot = pace_plot([("a", times)], "", "")
    assert inside(plot, [(dot.x, dot.y) for dot in plot.dots])
    assert len(plot.dots) == len(times)
    assert plot.dots[0].title.startswith("turn 2: ")
    rising = sorted((dot.x, -dot.y) for dot in plot.dots)
    assert [y for _, y in rising] == sorted(y for _, y in rising)
