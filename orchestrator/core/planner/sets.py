"""Which models may run at the same time. Pure arithmetic over reservations; sizes in bytes.

Residents are never evicted: they are in every set, and an on-demand model has what they leave.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Room = Mapping[str, int]
"""Bytes by pool."""

LIMIT = 64
_STEPS = 20_000


def fits(room: Room, needs: Sequence[Room]) -> bool:
    return all(sum(need.get(pool, 0) for need in needs) <= room.get(pool, 0) for need in needs for pool in need)


def maximal(
    room: Room, residents: Sequence[str], on_demand: Mapping[str, Room], alone: frozenset[str] = frozenset()
) -> tuple[tuple[str, ...], ...]:
    """At most 64 maximal sets, largest first, each with all residents in front.

    room: what the residents leave; on_demand: model -> need, each of which fits into `room`; alone: on-demand models
    that share with no other. Every on-demand model is in at least one set while there are at most 64 of them.
    """
    order = [model for model in on_demand if model not in alone]
    found: list[tuple[str, ...]] = [(model,) for model in on_demand if model in alone]
    for first in order:  # so that each model is in a set however many sets there are
        if not any(first in group for group in found):
            found.append(_greedy(room, on_demand, order, first))
    for group in _search(room, on_demand, order):
        if len(found) >= LIMIT:
            break
        if group not in found:
            found.append(group)
    place = {model: i for i, model in enumerate(on_demand)}
    found.sort(key=lambda group: (-len(group), [place[model] for model in group]))
    return tuple((*residents, *group) for group in found[:LIMIT]) or (tuple(residents),)


def _greedy(room: Room, needs: Mapping[str, Room], order: Sequence[str], first: str) -> tuple[str, ...]:
    chosen = {first}
    for model in order:
        if fits(room, [needs[m] for m in (*chosen, model)]):
            chosen.add(model)
    return tuple(model for model in order if model in chosen)


def _search(room: Room, needs: Mapping[str, Room], order: Sequence[str]) -> list[tuple[str, ...]]:
    """Maximal sets by depth-first search, include before exclude; stops at 64 sets or a fixed number of steps."""
    found: list[tuple[str, ...]] = []
    todo: list[tuple[int, tuple[str, ...], tuple[str, ...]]] = [(0, (), ())]
    steps = 0
    while todo and len(found) < LIMIT and steps < _STEPS:
        at, chosen, left_out = todo.pop()
        steps += 1
        rest = [needs[model] for model in (*chosen, *order[at:])]
        if any(fits(room, [*rest, needs[model]]) for model in left_out):
            continue  # whatever follows, that model could still be added: not maximal
        if at == len(order):
            if chosen:
                found.append(chosen)
            continue
        model = order[at]
        todo.append((at + 1, chosen, (*left_out, model)))
        if fits(room, [needs[m] for m in (*chosen, model)]):
            todo.append((at + 1, (*chosen, model), left_out))
    return found


def evictions(
    room: Room, on_demand: Mapping[str, Room], alone: frozenset[str] = frozenset()
) -> dict[str, tuple[str, ...]]:
    """On-demand model -> the on-demand models that it cannot run beside."""
    return {
        model: tuple(
            other
            for other in on_demand
            if other != model and (alone & {model, other} or not fits(room, [on_demand[model], on_demand[other]]))
        )
        for model in on_demand
    }
