from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.dialogue.reports.sparkline import BLOCKS, sparkline


def test_a_curve() -> None:
    assert sparkline([1, 1, 0.999, 0.5, 0.001, 0]) == "██▇▅▂▁".replace("▅", BLOCKS[1 + int(0.5 * 6)])
    assert sparkline([]) == ""


@given(st.lists(st.floats(0, 1), max_size=200), st.integers(1, 60))
def test_a_falling_curve_falls_and_fits(shares: list[float], width: int) -> None:
    shares.sort(reverse=True)
    drawn = sparkline(shares, width)
    assert len(drawn) == min(len(shares), width)
    levels = [BLOCKS.index(block) for block in drawn]
    assert levels == sorted(levels, reverse=True)
    assert not shares or (drawn[-1] == BLOCKS[-1]) is (shares[-1] == 1)


@given(st.integers(0, 199))
def test_no_failure_is_averaged_away(turn: int) -> None:
    assert BLOCKS[0] in sparkline([float(place != turn) for place in range(200)])
