"""core/watching.py: a background probe disturbs nobody, and forgets nobody."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.spec import Probe
from orchestrator.core.watching import INTERVAL, Sight, interval_of, next_probe

DUE = Sight("a", loaded=True, busy=False, idle=100, checked=5000)
AGES = st.floats(0, 1e7)
SIGHTS = st.lists(
    st.builds(
        Sight,
        st.text("abcdef", min_size=1, max_size=3),
        loaded=st.booleans(),
        busy=st.booleans(),
        idle=AGES,
        checked=st.none() | AGES,
        asked=st.booleans(),
        resident=st.booleans(),
        aborted=st.integers(0, 2000),
    ),
    max_size=6,
    unique_by=lambda sight: sight.model,
)
TIMES = st.integers(0, 100_000)


@given(SIGHTS, TIMES, TIMES)
def test_nobody_is_disturbed(sights: list[Sight], interval: int, quiet: int) -> None:
    chosen = next_probe(sights, interval, quiet)
    if chosen is None:
        return
    (sight,) = (s for s in sights if s.model == chosen)
    assert interval > 0
    assert sight.loaded
    assert not sight.busy
    assert sight.idle >= quiet
    assert sight.checked is None or sight.checked >= interval
    assert sight.checked is None or sight.asked or sight.resident


@given(SIGHTS, st.integers(1, 100_000), TIMES)
def test_nobody_is_forgotten(sights: list[Sight], interval: int, quiet: int) -> None:
    """A resident that nobody asks for any more has its turn, however often its probes gave way."""
    patience = float(max(interval, quiet))
    waiting = replace(DUE, model="z", idle=patience, checked=patience, aborted=1000)
    first = next_probe([*sights, waiting], interval, quiet)
    assert first is not None
    if first != "z":
        (sight,) = (s for s in sights if s.model == first)
        assert sight.checked is None or sight.checked >= patience


@given(SIGHTS, TIMES, TIMES, st.randoms())
def test_the_order_of_the_file_does_not_matter(sights: list[Sight], interval: int, quiet: int, chance: object) -> None:
    mixed = list(sights)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert next_probe(mixed, interval, quiet) == next_probe(sights, interval, quiet)


@pytest.mark.parametrize(
    ("changes", "chosen"),
    [
        ({}, "a"),
        ({"loaded": False}, None),
        ({"busy": True}, None),
        ({"idle": 59.9}, None),
        ({"checked": 3599.0}, None),
        ({"checked": None}, "a"),
        ({"checked": None, "resident": False, "asked": False}, "a"),
        ({"resident": False}, "a"),
        ({"resident": False, "asked": False}, None),
        ({"asked": False}, "a"),
        ({"aborted": 1}, None),
        ({"aborted": 1, "idle": 120.0}, "a"),
        ({"aborted": 3, "idle": 479.0}, None),
        ({"aborted": 500, "idle": 3600.0}, "a"),
    ],
)
def test_one_model(changes: dict[str, object], chosen: str | None) -> None:
    assert next_probe([replace(DUE, **changes)], 3600, 60) == chosen  # type: ignore[arg-type]


def test_what_was_never_probed_comes_first_then_what_waits_longest() -> None:
    sights = [DUE, replace(DUE, model="b", checked=9000), replace(DUE, model="c", checked=None)]
    assert next_probe(sights, 3600, 60) == "c"
    assert next_probe(sights[:2], 3600, 60) == "b"
    assert next_probe(sights, 0, 60) is None


def test_no_probe_at_up_means_none_behind_it_unless_the_file_says_so() -> None:
    assert interval_of(Probe()) == INTERVAL
    assert interval_of(Probe(on_up="none")) == 0
    assert interval_of(Probe(on_up="none", interval=60)) == 60
    assert interval_of(Probe(interval=0)) == 0
