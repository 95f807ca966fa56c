"""How long each model's context may be, and what that reserves. Residents first; on-demand models have what they leave.

An automatic context is the model's own maximum, or the longest that fits. All sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.core.launch import Reservation
from orchestrator.core.memory import KV_BYTES, LEAST, Cache, kv_bytes, kv_formula, largest_context
from orchestrator.core.plan import Pool
from orchestrator.core.planner.placement import Place, Rooms
from orchestrator.core.planner.select import Chosen
from orchestrator.core.units import show_size

USUAL = 8192
"""Tokens that other models are given before a resident takes the rest; and where nothing is known of the weights."""


@dataclass(frozen=True, slots=True)
class Size:
    """context: 0 = not known (a server that somebody else runs). error: why it does not fit."""

    context: int
    reason: str
    reservations: tuple[Reservation, ...] = ()
    error: str = ""

    @property
    def total(self) -> int:
        return sum(part.total for part in self.reservations)

    @property
    def kv(self) -> int:
        return sum(part.kv for part in self.reservations)

    @property
    def held(self) -> int:
        """Weights and KV, which is what a place's limit counts."""
        return sum(part.weights + part.kv for part in self.reservations)


@dataclass(frozen=True, slots=True)
class Item:
    """A chosen model on its way into its place."""

    chosen: Chosen
    place: Place
    forced: bool = False
    cache: Cache = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cache", cache_of(self.chosen, len(self.place.gpus)))

    @property
    def external(self) -> bool:
        return self.chosen.backend.reserves == "external"

    @property
    def weights(self) -> int:
        return weights_of(self.chosen)

    @property
    def unknown(self) -> bool:
        return not self.external and not known(self.chosen)

    @property
    def most(self) -> int:
        """The context to have if there is room: declared, or the model's own maximum."""
        return most_of(self.chosen)

    def kv(self, context: int) -> int:
        declared = self.chosen.model.memory.kv
        if declared is not None:
            return declared
        if self.cache.reserves == "paged" and self.chosen.model.memory.gpu and self.place.gpus:
            return max(0, self.place.allowed - self.weights)  # all that `memory.gpu` leaves
        return self.full_kv(context)

    def full_kv(self, context: int) -> int:
        """What the backend would reserve by itself."""
        return kv_bytes(self.chosen.weights, context, self.cache) if self.chosen.weights else 0

    def floor(self) -> dict[str, int]:
        """By pool, what it takes with a modest context: kept free for it while others are sized."""
        if self.external:
            return {}
        kv = self.kv(min(self.most, self.chosen.model.context or USUAL))
        need = {part.pool: part.total for part in self.place.split(self.weights, kv, "")}
        if self.place.host:  # a longer context fills the GPUs' shares first
            whole = self.weights + self.kv(self.most)
            need |= {pool: min(self.place.caps[pool], whole) + self.place.work for pool in self.place.pools}
        return need

    @property
    def standing(self) -> tuple[Reservation, ...]:
        """What it takes for good, also while it sleeps: its weights in host memory, and its context on each GPU."""
        if self.chosen.model.residency != "sleep":
            return ()
        on_gpus = (Reservation(pool, 0, 0, "", self.place.work) for pool in self.place.pools)
        return (Reservation("host", self.weights, 0, "the weights while it sleeps"), *on_gpus)

    def reservations(self, context: int) -> tuple[Reservation, ...]:
        kv, chosen = self.kv(context), self.chosen
        if chosen.model.memory.kv is not None:
            words = f"memory.kv {show_size(kv)}"
        elif self.cache.reserves == "paged" and chosen.model.memory.gpu:
            words = f"{show_size(kv)}, what memory.gpu leaves"
        else:
            words = kv_formula(chosen.weights, context, self.cache) if chosen.weights else "not known yet"
        memory = chosen.model.memory
        declared = " (memory.weights)" if memory.weights is not None else ""
        if not declared and chosen.weights is None and known(chosen):
            declared = " (memory.host)" if memory.host is not None else " (memory.gpu)"
        weights = show_size(self.weights) + declared if self.weights else "not known yet"
        formula = f"weights {weights} + KV {words}"
        if count := len(self.place.gpus):
            divided = f", divided over {count} GPUs," if count > 1 and not self.place.host else ""
            formula += f"{divided} + {show_size(self.place.work)} to work with" + (" on each" if count > 1 else "")
        return self.place.split(self.weights, kv, formula)


def cache_of(chosen: Chosen, gpus: int) -> Cache:
    """gpus: that it is on. A paged cache is divided by heads (vLLM's tensor parallelism), any other by layers."""
    running = None if chosen.backend.reserves == "cached" else chosen.model.memory.kv_dtype
    parts = max(1, gpus) if chosen.backend.reserves == "paged" else 1
    return Cache(chosen.backend.reserves, chosen.model.serve.concurrency, KV_BYTES[running], parts)


def known(chosen: Chosen) -> bool:
    """Whether the plan knows what it takes: inspected weights, or a declaration."""
    memory = chosen.model.memory
    return chosen.weights is not None or memory.weights is not None or memory.host is not None or bool(memory.gpu)


def weights_of(chosen: Chosen) -> int:
    """Bytes; of weights that cannot be inspected all that is declared counts as weights."""
    memory = chosen.model.memory
    if memory.weights is not None:
        return memory.weights
    if chosen.weights is not None:
        return chosen.weights.size
    return (memory.host or 0) + sum(memory.gpu.values())


def most_of(chosen: Chosen) -> int:
    return chosen.model.context or (chosen.weights.context if chosen.weights else 0) or USUAL


def least_of(chosen: Chosen, gpus: int) -> int:
    """Weights with a modest KV cache on so many GPUs, before it has a place."""
    model = chosen.model
    modest = min(most_of(chosen), model.context or USUAL)
    kv = model.memory.kv
    if kv is None:
        kv = kv_bytes(chosen.weights, modest, cache_of(chosen, gpus)) if chosen.weights else 0
    return weights_of(chosen) + kv


def sizes(pools: Mapping[str, Pool], residents: Sequence[Item], on_demand: Sequence[Item]) -> dict[str, Size]:
    """By model id. A model that does not fit has `error` with the arithmetic; a forced one never has."""
    found: dict[str, Size] = {}
    room = {name: pool.size - pool.reserve for name, pool in pools.items()}
    counted = [item for item in residents if not item.forced]
    floors = [item.floor() for item in on_demand if not item.forced]
    beside = {name: max((floor.get(name, 0) for floor in floors), default=0) for name in pools}

    def standing(items: Iterable[Item]) -> dict[str, int]:
        parts = [part for item in items for part in item.standing]
        return {name: sum(part.total for part in parts if part.pool == name) for name in pools}

    def taken(items: Iterable[Item]) -> dict[str, int]:
        needs = []
        for item in items:
            size = found.get(item.chosen.model_id)
            needs.append({part.pool: part.total for part in size.reservations} if size else item.floor())
        return {name: sum(need.get(name, 0) for need in needs) for name in pools}

    room = less(room, standing(on_demand))
    for item in residents:
        left = less(room, taken(o for o in counted if o is not item))
        found[item.chosen.model_id] = _size(pools, item, less(left, beside), left)
    used = taken(counted)
    left = less(room, used)
    names = [item.chosen.model_id for item in counted if not item.external]
    for item in on_demand:
        others = standing(o for o in on_demand if o is not item)
        own = less(left, {name: -size for name, size in standing([item]).items()})
        if item.standing:
            own["host"] -= item.weights
        size = _size(pools, item, own, own, names, used)
        if size.error and (kept := sum(others[pool] for pool in item.place.pools)):
            size = replace(size, error=f"{size.error}, of which models that sleep keep {show_size(kept)}")
        elif item.standing and own["host"] < 0 and not item.forced:
            words = f"asleep its weights take {show_size(item.weights)} of host memory, which has not so much left"
            size = replace(size, error=words)
        found[item.chosen.model_id] = size
    return found


def less(rooms: Rooms, taken: Rooms) -> dict[str, int]:
    return {name: room - taken.get(name, 0) for name, room in rooms.items()}


def _size(
    pools: Mapping[str, Pool],
    item: Item,
    wished: Rooms,
    left: Rooms,
    residents: Collection[str] = (),
    taken: Rooms | None = None,
) -> Size:
    """wished: room if others are to have theirs; left: what there is at most."""
    chosen, model = item.chosen, item.chosen.model
    if item.external:
        return Size(model.context or 0, "declared" if model.context else "the server's own")
    room = item.place.limit(left)
    if chosen.weights is None:
        reason = "declared" if model.context else f"{USUAL} until the weights are known"
        context = model.context or USUAL
    elif model.memory.kv is not None or item.kv(1) != item.full_kv(1):
        context, reason, error = _in_declared_kv(item, item.kv(1))
        if error:
            return Size(context, reason, item.reservations(context), error)
    elif model.context:
        context, reason = model.context, "declared"
        if chosen.weights.context and context > chosen.weights.context:
            reason = f"declared; the model was made for {chosen.weights.context}"
    elif item.forced:
        context, reason = min(item.most, USUAL), "modest, because the model is forced"
    else:
        context, reason = _automatic(item, item.place.limit(wished), room)
    size = Size(context, reason, item.reservations(context))
    fits = size.held <= room and all(part.total <= left[part.pool] for part in size.reservations)
    return size if item.forced or fits else _too_big(pools, item, size, residents, taken or {})


def _automatic(item: Item, wished: int, room: int) -> tuple[int, str]:
    assert item.chosen.weights is not None
    whole = "the model's own maximum" if item.chosen.weights.context else "the weights do not say how long it may be"
    for limit in (wished, room):
        context = largest_context(item.chosen.weights, limit - item.weights, item.cache, item.most)
        if context == item.most:
            return context, whole
        if context:
            return context, f"the longest that fits (the model's own maximum is {item.most})"
    return min(LEAST, item.most), "the least"


def _in_declared_kv(item: Item, kv: int) -> tuple[int, str, str]:
    """(context, reason, error): `memory.kv` must hold one full context."""
    chosen, cache = item.chosen, item.cache
    assert chosen.weights is not None
    one = replace(cache, reserves="paged" if cache.reserves == "paged" else "slots", concurrency=1)
    if declared := chosen.model.context:
        needed = kv_bytes(chosen.weights, declared, one)
        error = f"memory.kv is {show_size(kv)}, one context of {declared} tokens takes {show_size(needed)}"
        return declared, "declared", error if needed > kv else ""
    context = largest_context(chosen.weights, kv, one, item.most)
    if not context:
        return LEAST, "the least", f"memory.kv is {show_size(kv)}: that holds no context of {LEAST} tokens"
    full = "the model's own maximum" if context == item.most else "the longest that memory.kv holds"
    return context, full, ""


def _too_big(pools: Mapping[str, Pool], item: Item, size: Size, residents: Collection[str], taken: Rooms) -> Size:
    used = [pools[part.pool] for part in size.reservations]
    have = "; ".join(
        f"the pool `{pool.name}` has {show_size(pool.size - pool.reserve)} "
        f"({show_size(pool.size)} - {show_size(pool.reserve)} reserve)"
        for pool in used
    )
    formula = size.reservations[0].formula
    text = f"it needs {show_size(size.total)}: {formula}, at a context of {size.context} tokens; {have}"
    if caps := [f"{show_size(item.place.caps[p.name])} of `{p.name}`" for p in used if p.name in item.place.caps]:
        text += f"; `memory` allows it {' and '.join(caps)}"
    gone = sum(taken.get(pool.name, 0) for pool in used)
    if residents and gone:
        text += f", of which the residents {', '.join(residents)} take {show_size(gone)}"
    return Size(size.context, size.reason, size.reservations, text)
