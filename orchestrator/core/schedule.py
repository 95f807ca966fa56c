"""Which engines to start and which to evict: decided here, done in edge/run/scheduler.py. Times: monotonic seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

SeatState = Literal["stopped", "starting", "ready", "draining"]


@dataclass(frozen=True, slots=True)
class Seat:
    """One launch as the scheduler sees it.

    wanted: when the oldest want arose (a waiting request, a resident, a load), None = nobody wants it;
    not_before: no start before then (back-off); used: when it last served; fixed: resident, never a victim.
    """

    model: str
    state: SeatState
    wanted: float | None = None
    not_before: float = 0.0
    used: float = 0.0
    active: int = 0
    fixed: bool = False
    ttl: int | None = None


@dataclass(frozen=True, slots=True)
class Start:
    model: str


@dataclass(frozen=True, slots=True)
class Evict:
    model: str
    why: str


Action = Start | Evict
Together = Callable[[frozenset[str]], bool]


def decide(seats: Sequence[Seat], together: Together, now: float) -> tuple[Action, ...]:
    """The steps that can be taken now, in order. First come, first served; nothing is started before its place is free.

    A victim is the least recently used of the fewest that make room. What is starting is never a victim: it serves
    those who waited for it first.
    """
    actions: list[Action] = []
    taken = {seat.model for seat in seats if seat.state != "stopped"}
    leaving = {seat.model for seat in seats if seat.state == "draining"}
    waiting = [seat for seat in seats if seat.state == "stopped" and seat.wanted is not None and seat.not_before <= now]
    for seat in sorted(waiting, key=lambda s: (s.wanted, s.model)):
        if together(frozenset(taken | {seat.model})):
            actions.append(Start(seat.model))
            taken.add(seat.model)
            continue
        # Whoever comes later must not slip into a place that this one waits for.
        victims = _victims(seat, seats, taken, leaving, together)
        actions += [Evict(model, f"makes room for {seat.model}") for model in victims]
        leaving |= set(victims)
        break
    for seat in seats:
        idle = seat.state == "ready" and not seat.active and not seat.fixed and seat.ttl and seat.wanted is None
        if idle and now - seat.used >= (seat.ttl or 0) and seat.model not in leaving:
            actions.append(Evict(seat.model, f"idle for {seat.ttl} s"))
    return tuple(actions)


def _victims(seat: Seat, seats: Sequence[Seat], taken: set[str], leaving: set[str], together: Together) -> list[str]:
    room = taken - leaving
    if together(frozenset(room | {seat.model})):
        return []
    candidates = [s for s in seats if s.state == "ready" and not s.fixed and s.model not in leaving]
    candidates.sort(key=lambda s: (s.used, s.model))
    chosen: list[str] = []
    for candidate in candidates:
        chosen.append(candidate.model)
        if together(frozenset((room - set(chosen)) | {seat.model})):
            break
    else:
        return []
    for model in list(chosen):
        if together(frozenset((room - (set(chosen) - {model})) | {seat.model})):
            chosen.remove(model)
    return chosen


def backoff(failures: int) -> float:
    """Seconds to wait after the n-th failure in a row: 0, 1, 2, 4 ... 60."""
    return 0.0 if failures <= 1 else min(60.0, 2.0 ** (failures - 2))
