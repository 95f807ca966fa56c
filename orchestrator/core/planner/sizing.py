"""How long each model's context may be, and what that reserves. Residents first; on-demand models have what they leave.

An automatic context is the model's own maximum, or the longest that fits. All sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from orchestrator.core.launch import Reservation
from orchestrator.core.memory import KV_BYTES, LEAST, Cache, kv_bytes, kv_formula, largest_context, per_context
from orchestrator.core.plan import Pool
from orchestrator.core.planner.select import Chosen
from orchestrator.core.units import show_size

USUAL = 8192
"""Tokens that other models are given before a resident takes the rest; and where nothing is known of the weights."""


@dataclass(frozen=True, slots=True)
class Size:
    """context: 0 = not known (a server that somebody else runs). error: why it does not fit."""

    context: int
    reason: str
    reservation: Reservation | None = None
    error: str = ""

    @property
    def total(self) -> int:
        return self.reservation.total if self.reservation else 0


@dataclass(frozen=True, slots=True)
class Item:
    """A chosen model on its way into a pool."""

    chosen: Chosen
    forced: bool = False
    cache: Cache = field(init=False)

    def __post_init__(self) -> None:
        chosen = self.chosen
        running = None if chosen.backend.reserves == "cached" else chosen.model.memory.kv_dtype
        cache = Cache(chosen.backend.reserves, chosen.model.serve.concurrency, KV_BYTES[running])
        object.__setattr__(self, "cache", cache)

    @property
    def external(self) -> bool:
        return self.chosen.backend.reserves == "external"

    @property
    def weights(self) -> int:
        declared = self.chosen.model.memory.weights
        return declared if declared is not None else self.chosen.weights.size if self.chosen.weights else 0

    @property
    def unknown(self) -> bool:
        return not self.external and self.chosen.weights is None and self.chosen.model.memory.weights is None

    @property
    def most(self) -> int:
        """The context to have if there is room: declared, or the model's own maximum."""
        known = self.chosen.weights
        return self.chosen.model.context or (known.context if known else 0) or USUAL

    def kv(self, context: int) -> int:
        declared = self.chosen.model.memory.kv
        return declared if declared is not None else self.full_kv(context)

    def full_kv(self, context: int) -> int:
        """What the backend would reserve by itself."""
        return kv_bytes(self.chosen.weights, context, self.cache) if self.chosen.weights else 0

    def floor(self) -> int:
        """What it takes with a modest context: kept free for it while others are sized."""
        return 0 if self.external else self.weights + self.kv(min(self.most, self.chosen.model.context or USUAL))

    def reservation(self, pool: str, context: int) -> Reservation:
        kv, chosen = self.kv(context), self.chosen
        if chosen.model.memory.kv is not None:
            words = f"memory.kv {show_size(kv)}"
        else:
            words = kv_formula(chosen.weights, context, self.cache) if chosen.weights else "not known yet"
        declared = " (memory.weights)" if chosen.model.memory.weights is not None else ""
        weights = show_size(self.weights) + declared if self.weights else "not known yet"
        return Reservation(pool, self.weights, kv, f"weights {weights} + KV {words}")


def sizes(pool: Pool, residents: Sequence[Item], on_demand: Sequence[Item]) -> dict[str, Size]:
    """By model id. A model that does not fit has `error` with the arithmetic; a forced one never has."""
    found: dict[str, Size] = {}
    room = pool.size - pool.reserve
    counted = [item for item in residents if not item.forced]
    beside = max((item.floor() for item in on_demand if not item.forced), default=0)
    for item in residents:
        others = sum(
            found[o.chosen.model_id].total if o.chosen.model_id in found else o.floor()
            for o in counted
            if o is not item
        )
        found[item.chosen.model_id] = _size(pool, item, room - others - beside, room - others)
    taken = sum(found[item.chosen.model_id].total for item in counted)
    names = [item.chosen.model_id for item in counted if not item.external]
    for item in on_demand:
        found[item.chosen.model_id] = _size(pool, item, room - taken, room - taken, names, taken)
    return found


def _size(pool: Pool, item: Item, wished: int, room: int, residents: Collection[str] = (), taken: int = 0) -> Size:
    """wished: room if others are to have theirs; room: what there is at most."""
    chosen, model = item.chosen, item.chosen.model
    if item.external:
        return Size(model.context or 0, "declared" if model.context else "the server's own")
    if chosen.weights is None:
        return _of_unknown(pool, item, room, residents, taken)
    if model.memory.kv is not None:
        context, reason, error = _in_declared_kv(item, model.memory.kv)
        if error:
            return Size(context, reason, item.reservation(pool.name, context), error)
    elif model.context:
        context, reason = model.context, "declared"
        if chosen.weights.context and context > chosen.weights.context:
            reason = f"declared; the model was made for {chosen.weights.context}"
    elif item.forced:
        context, reason = min(item.most, USUAL), "modest, because the model is forced"
    else:
        context, reason = _automatic(item, wished, room)
    size = Size(context, reason, item.reservation(pool.name, context))
    return size if item.forced or size.total <= room else _too_big(pool, size, residents, taken)


def _of_unknown(pool: Pool, item: Item, room: int, residents: Collection[str], taken: int) -> Size:
    declared = item.chosen.model.context
    reason = "declared" if declared else f"{USUAL} until the weights are known"
    size = Size(declared or USUAL, reason, item.reservation(pool.name, declared or USUAL))
    return size if item.forced or size.total <= room else _too_big(pool, size, residents, taken)


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
    one = Cache("paged", 1, cache.per_value)
    if declared := chosen.model.context:
        needed = per_context(chosen.weights, declared, cache.per_value)
        error = f"memory.kv is {show_size(kv)}, one context of {declared} tokens takes {show_size(needed)}"
        return declared, "declared", error if needed > kv else ""
    context = largest_context(chosen.weights, kv, one, item.most)
    if not context:
        return LEAST, "the least", f"memory.kv is {show_size(kv)}: that holds no context of {LEAST} tokens"
    full = "the model's own maximum" if context == item.most else "the longest that memory.kv holds"
    return context, full, ""


def _too_big(pool: Pool, size: Size, residents: Collection[str], taken: int) -> Size:
    assert size.reservation is not None
    room = pool.size - pool.reserve
    text = (
        f"it needs {show_size(size.total)}: {size.reservation.formula}, at a context of {size.context} tokens"
        f"; the pool `{pool.name}` has {show_size(room)} ({show_size(pool.size)} - {show_size(pool.reserve)} reserve)"
    )
    if residents and taken:
        text += f", of which the residents {', '.join(residents)} take {show_size(taken)}"
    return Size(size.context, size.reason, size.reservation, text)
