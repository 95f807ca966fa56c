"""A source and a place for each model, and the pools of memory that they share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from orchestrator.core import memory
from orchestrator.core.backend import Backends
from orchestrator.core.host import Host
from orchestrator.core.plan import Manager, Pool
from orchestrator.core.planner import select, sizing
from orchestrator.core.planner.notes import Notes
from orchestrator.core.planner.placement import Able, Misplaced, Place, place
from orchestrator.core.planner.select import Chosen
from orchestrator.core.planner.sizing import Item, less
from orchestrator.core.spec import Model, Stack
from orchestrator.core.trouble import path
from orchestrator.core.units import show_size
from orchestrator.core.weights import Weights


def pools(stack: Stack, host: Host, notes: Notes) -> dict[str, Pool]:
    """All that the host has. Problems: a reserve for a GPU that is not there."""
    have = {gpu.index for gpu in host.gpus}
    for index in stack.budget.gpu:
        if index not in have:
            notes.problem(path(("budget", "gpu", index)), f"there is no GPU {index} here")
    return {pool.name: pool for pool, _ in memory.pools(host, stack)}


def used(stack: Stack, host: Host, items: Mapping[str, Item], notes: Notes) -> dict[str, Pool]:
    """The pools that a launch of ours lives in, each said with the reason of its reserve."""
    names = {
        name
        for item in items.values()
        if not item.external
        for name in (*item.place.pools, item.place.host, *(part.pool for part in item.standing))
    }
    used = [(pool, reason) for pool, reason in memory.pools(host, stack) if pool.name in names]
    for pool, reason in used:
        words = f"{show_size(pool.size)} - {show_size(pool.reserve)} reserve: {reason}"
        notes.decide("stack", f"pool {pool.name}", show_size(pool.size - pool.reserve), words)
    return {pool.name: pool for pool, _ in used}


def rooms(pools: Mapping[str, Pool]) -> dict[str, int]:
    return {name: pool.size - pool.reserve for name, pool in pools.items()}


def choose(
    stack: Stack,
    host: Host,
    weights: Mapping[str, Weights],
    backends: Backends,
    pools: Mapping[str, Pool],
    residents: frozenset[str],
    force: frozenset[str],
    manager: Manager,
    notes: Notes,
) -> dict[str, Item]:
    """A source and a place each, in file order. Residents choose first, so that a list of sources sees what they leave,
    and of those the ones with a declared GPU; on-demand models are spread over the GPUs."""
    left = rooms(pools)
    busy = dict.fromkeys(left, 0)
    items: dict[str, Item] = {}

    def where(candidate: Chosen) -> Place | Misplaced:
        if candidate.backend.reserves == "external":
            return Place(())
        layers = sum(group.layers for group in candidate.weights.kv) if candidate.weights else 0
        declared = bool(candidate.model.gpus or any(candidate.model.memory.gpu.values()))
        # a user's own command (no engine of ours to know) is where the file says it is
        uses = candidate.backend.uses_gpus or (declared and not candidate.backend.needs_engine)
        able = Able(uses, candidate.backend.offloads, candidate.weights is not None)
        least = partial(sizing.least_of, candidate)
        return place(candidate.model, host, left, least, able, busy=busy, layers=layers)

    def misfit(candidate: Chosen) -> str | None:
        found = where(candidate)
        if isinstance(found, Misplaced):
            return found.text
        if not found.pools:
            return None
        needed, room = sizing.least_of(candidate, len(found.gpus)), found.limit(left)
        words = f"needs {show_size(needed)}, {show_size(max(room, 0))} are left in {', '.join(found.pools)}"
        return words if needed > room else None

    for model in sorted(stack.models, key=lambda m: (m not in residents, not _says_where(stack.models[m]))):
        choice, skipped = select.choose(stack, host, weights, backends, model, misfit, manager)
        notes.skipped.extend(skipped)
        if choice is None:
            reasons = "; ".join(f"{skip.backend}: {skip.reason}" for skip in skipped)
            notes.problem(path(("models", model, "sources")), f"nothing can run it here: {reasons}")
            continue
        found = where(choice)
        if isinstance(found, Misplaced):
            notes.problem(path(("models", model, *found.where)), found.text, found.mend)
            continue
        items[model] = item = Item(choice, found, model in force)
        if found.gpus:
            notes.decide(model, "gpus", ", ".join(str(gpu.index) for gpu in found.gpus), found.reason)
        if model in residents:
            left = less(left, item.floor())
        else:
            busy = less(busy, {name: -size for name, size in item.floor().items()})
    return {model: items[model] for model in stack.models if model in items}


def _says_where(model: Model) -> bool:
    return bool(model.gpus or model.memory.gpu)
