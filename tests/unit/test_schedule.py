from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.schedule import Action, Evict, Seat, Start, backoff, decide


def together(*sets: str):
    return lambda models: any(models <= set(group) for group in sets)


def test_what_fits_starts_at_once() -> None:
    seats = [Seat("a", "stopped", wanted=1), Seat("b", "stopped", wanted=0)]
    assert decide(seats, together("ab"), 5) == (Start("b"), Start("a"))


def test_the_least_recently_used_makes_room() -> None:
    seats = [Seat("a", "ready", used=5), Seat("b", "ready", used=3), Seat("c", "stopped", wanted=9)]
    assert decide(seats, together("ab", "ac", "bc"), 9) == (Evict("b", "makes room for c"),)


def test_no_more_than_needed_is_evicted() -> None:
    seats = [Seat("a", "ready", used=1), Seat("b", "ready", used=2), Seat("c", "stopped", wanted=9)]
    assert decide(seats, together("ab", "ac"), 9) == (Evict("b", "makes room for c"),)


def test_a_resident_is_never_a_victim() -> None:
    seats = [Seat("r", "ready", fixed=True), Seat("a", "ready", used=9), Seat("b", "stopped", wanted=9)]
    assert decide(seats, together("ra", "rb"), 9) == (Evict("a", "makes room for b"),)


def test_what_is_starting_is_waited_for() -> None:
    seats = [Seat("a", "starting"), Seat("b", "stopped", wanted=1)]
    assert decide(seats, together("a", "b"), 9) == ()


def test_a_place_being_freed_is_not_freed_twice_nor_given_to_a_later_one() -> None:
    seats = [Seat("a", "draining"), Seat("b", "stopped", wanted=1), Seat("c", "stopped", wanted=2)]
    assert decide(seats, together("a", "b", "ac"), 9) == ()


def test_back_off_is_kept() -> None:
    assert decide([Seat("a", "stopped", wanted=1, not_before=10)], together("a"), 9) == ()
    assert [backoff(n) for n in (0, 1, 2, 3, 4, 20)] == [0, 0, 1, 2, 4, 60]


def test_idle_beyond_its_ttl_goes() -> None:
    idle = Seat("a", "ready", used=0, ttl=60)
    assert decide([idle], together("a"), 59) == ()
    assert decide([idle], together("a"), 60) == (Evict("a", "idle for 60 s"),)
    assert decide([Seat("a", "ready", used=0, ttl=60, active=1)], together("a"), 99) == ()


STATES = st.sampled_from(["stopped", "starting", "ready", "draining"])


@st.composite
def stacks(draw: st.DrawFn) -> tuple[list[Seat], list[str]]:
    names = "abcde"[: draw(st.integers(1, 5))]
    sets = draw(st.lists(st.sets(st.sampled_from(names), min_size=1).map("".join), min_size=1, max_size=5))
    sets += list(names)  # each fits alone
    running = draw(st.sampled_from(sets))
    seats = []
    for name in names:
        state = draw(st.sampled_from(["starting", "ready", "draining"])) if name in running else "stopped"
        wanted = draw(st.none() | st.floats(0, 10)) if state == "stopped" else None
        seats.append(Seat(name, state, wanted, draw(st.floats(0, 20)), draw(st.floats(0, 10)), draw(st.integers(0, 1))))
    return seats, sets


def settle(seats: list[Seat], actions: tuple[Action, ...]) -> list[Seat]:
    """The world after the actions have been carried out."""
    after = {seat.model: seat for seat in seats}
    for action in actions:
        was = after[action.model]
        after[action.model] = Seat(was.model, "starting" if isinstance(action, Start) else "draining", was.wanted)
    for name, seat in after.items():
        done = {"starting": "ready", "draining": "stopped"}.get(seat.state)
        if done:
            after[name] = Seat(name, done, None if done == "ready" else seat.wanted)  # type: ignore[arg-type]
    return list(after.values())


@given(stacks())
def test_what_runs_always_fits_together_and_everybody_is_served(case: tuple[list[Seat], list[str]]) -> None:
    seats, sets = case
    fits = together(*sets)
    waiting = {seat.model for seat in seats if seat.wanted is not None}
    for _ in range(4 * len(seats)):
        actions = decide(seats, fits, 100)
        started = {action.model for action in actions if isinstance(action, Start)}
        held = {seat.model for seat in seats if seat.state != "stopped"}
        assert not started or fits(frozenset(held | started))
        seats = settle(seats, actions)
        waiting -= {seat.model for seat in seats if seat.state == "ready"}
    assert not waiting
