"""Which memory a launch lives in: one or more GPUs, host memory, or both (llama-cpp's layers). Sizes in bytes.

A declared `gpus` or `memory.gpu` says where; else a model goes to the GPU with most room that holds it, and to two,
four or eight of them together where none does. Nothing is split between GPU and host memory unless `memory` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.core.host import Gpu, Host
from orchestrator.core.launch import Reservation
from orchestrator.core.memory import WORK, gpu_pool
from orchestrator.core.spec import Model
from orchestrator.core.units import show_size

GROUPS = (1, 2, 4, 8)
"""Numbers of GPUs that tensor parallelism can use: a model's heads are divided evenly."""
Rooms = Mapping[str, int]
Least = Callable[[int], int]


@dataclass(frozen=True, slots=True)
class Place:
    """pools: what weights and KV are divided over; gpus: in the same order, empty for host memory.

    caps: bytes that `memory` allows it in a pool; host: the pool that takes what those of the GPUs do not hold;
    layers: of the model, for that division.
    """

    pools: tuple[str, ...]
    gpus: tuple[Gpu, ...] = ()
    caps: Mapping[str, int] = field(default_factory=dict)
    host: str = ""
    layers: int = 0
    reason: str = ""

    @property
    def work(self) -> int:
        return WORK if self.gpus else 0

    def limit(self, rooms: Rooms) -> int:
        """The most that weights and KV may take, when the pools have this room."""
        free = [min(rooms[pool] - self.work, self.caps.get(pool, rooms[pool])) for pool in self.pools]
        if self.host:
            return sum(free) + min(rooms[self.host], self.caps.get(self.host, rooms[self.host]))
        return min(free) * len(free)

    @property
    def allowed(self) -> int:
        """The most that weights and KV may take by `memory.gpu` alone, which names at least one of the GPUs."""
        return (min(self.caps[pool] for pool in self.pools if pool in self.caps) - self.work) * len(self.pools)

    def split(self, weights: int, kv: int, words: str) -> tuple[Reservation, ...]:
        """Evenly over the GPUs; or so many layers on them as their caps hold, the rest in host memory."""
        if self.host:
            return self._layered(weights, kv, words)
        count = len(self.pools)
        parts = [Reservation(pool, -(-weights // count), -(-kv // count), words, self.work) for pool in self.pools]
        return tuple(parts)

    def gpu_layers(self, total: int) -> int | None:
        """Of so many bytes of weights and KV; None = all."""
        if not self.host or not self.layers:
            return None
        held = sum(self.caps[pool] for pool in self.pools)
        return max(0, min(self.layers, held * self.layers // max(total, 1)))

    def _layered(self, weights: int, kv: int, words: str) -> tuple[Reservation, ...]:
        if not self.layers:  # of a command nothing is known but what the file allows it
            own = [Reservation(pool, self.caps[pool], 0, words) for pool in self.pools]
            return (*own, Reservation(self.host, self.caps[self.host], 0, words))
        on_gpus, held = self.gpu_layers(weights + kv) or 0, sum(self.caps[pool] for pool in self.pools)
        said = f"{words}; {on_gpus} of {self.layers} layers on the GPU"
        parts, left_weights, left_kv = [], weights, kv
        for pool in self.pools:
            share = on_gpus / self.layers * self.caps[pool] / max(held, 1)
            part = Reservation(pool, int(weights * share), int(kv * share), said, self.work)
            left_weights, left_kv = left_weights - part.weights, left_kv - part.kv
            parts.append(part)
        return (*parts, Reservation(self.host, left_weights, left_kv, said))


@dataclass(frozen=True, slots=True)
class Misplaced:
    """Why there is no place. where: the key below the model."""

    where: tuple[str | int, ...]
    text: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Able:
    """Of the engine: uses_gpus; offloads: some layers to host memory. known: its weights were inspected."""

    uses_gpus: bool
    offloads: bool
    known: bool


def place(
    model: Model, host: Host, rooms: Rooms, least: Least, able: Able, *, busy: Rooms, layers: int
) -> Place | Misplaced:
    """rooms: what is left of each pool; least: bytes of the weights with a modest KV on so many GPUs; busy: bytes of
    models that may have to take turns with it; layers of the model, 0 = unknown."""
    main = "unified" if host.apple else "host"
    uses_gpus = able.uses_gpus and (not model.memory.gpu or any(model.memory.gpu.values()))
    caps = {main: model.memory.host} if model.memory.host is not None else {}
    if not host.gpus or not uses_gpus:
        if host.apple and model.memory.gpu:
            return Misplaced(("memory", "gpu"), "on Apple Silicon the GPU uses the unified memory", "use `memory.host`")
        if not host.gpus and (asked := [key for key in ("gpus", "tensor_parallel") if getattr(model, key)]):
            return Misplaced((asked[0],), "there is no GPU here that it could run on", f"leave `{asked[0]}` out")
        if any(model.memory.gpu.values()):
            return Misplaced(("memory", "gpu"), "there is no GPU here that it could run on", "use `memory.host`")
        return Place((main,), caps=caps)
    caps |= {gpu_pool(index): size for index, size in model.memory.gpu.items()}
    chosen = _declared(model, host)
    if isinstance(chosen, Misplaced):
        return chosen
    reason = "declared" if chosen else ""
    if not chosen:
        chosen, reason = _roomiest(host.gpus, rooms, busy, least, model.tensor_parallel)
    count = model.tensor_parallel or len(chosen)
    if count != len(chosen):
        return Misplaced(("tensor_parallel",), f"{count} GPUs are asked for, `gpus` names {len(chosen)}")
    if count > 1 and any(gpu.mig for gpu in chosen):
        return Misplaced(("gpus",), "MIG instances cannot work on one model together", "name one of them")
    pools = tuple(gpu_pool(gpu.index) for gpu in chosen)
    if model.memory.host is None:
        return Place(pools, chosen, caps, reason=reason)
    if not able.offloads:
        return Misplaced(("memory", "host"), "this engine keeps all of a model on its GPUs", "use llama-cpp")
    if not layers and able.known:
        return Misplaced(("memory", "host"), "how many layers the model has is not known: it cannot be divided")
    if len(chosen) > 1 and len(model.memory.gpu) < len(chosen):
        return Misplaced(("memory", "gpu"), "with `memory.host` each of several GPUs needs its own share here")
    free = {pool: max(0, rooms[pool] - WORK) for pool in pools}
    caps = {pool: min(caps.get(pool, free[pool]), free[pool]) for pool in pools} | {main: model.memory.host}
    return Place(pools, chosen, caps, main, layers, f"{reason}, the rest in host memory")


def _declared(model: Model, host: Host) -> tuple[Gpu, ...] | Misplaced:
    """Those of `gpus`, or of `memory.gpu`; () = not declared."""
    known: dict[int | str, Gpu] = {gpu.index: gpu for gpu in host.gpus} | {gpu.uuid: gpu for gpu in host.gpus}
    have = ", ".join(f"{gpu.index} ({gpu.name})" for gpu in host.gpus)
    found: list[Gpu] = []
    for i, name in enumerate(model.gpus or ()):
        if name not in known:
            return Misplaced(("gpus", i), f"there is no GPU {name} here", f"here are {have}")
        found.append(known[name])
    if len({gpu.index for gpu in found}) < len(found):
        return Misplaced(("gpus",), "a GPU is named twice")
    for index in model.memory.gpu:
        if index not in known:
            return Misplaced(("memory", "gpu", index), f"there is no GPU {index} here", f"here are {have}")
        if found and known[index] not in found:
            return Misplaced(("memory", "gpu", index), f"GPU {index} is not among `gpus`")
    return tuple(found) or tuple(known[index] for index in model.memory.gpu)


def _roomiest(
    gpus: Sequence[Gpu], rooms: Rooms, busy: Rooms, least: Least, wanted: int | None
) -> tuple[tuple[Gpu, ...], str]:
    """The fewest GPUs that hold it, those with most room; as many as there are if even they do not."""

    def idle(gpu: Gpu) -> tuple[int, int]:
        return busy[gpu_pool(gpu.index)] - rooms[gpu_pool(gpu.index)], gpu.index

    def holds(group: Sequence[Gpu]) -> bool:
        return Place(tuple(gpu_pool(gpu.index) for gpu in group), tuple(group)).limit(rooms) >= least(len(group))

    # a smaller GPU that is idle comes after a busy one that alone is large enough
    ordered = sorted(gpus, key=lambda gpu: (not holds((gpu,)), *idle(gpu)))
    whole = [gpu for gpu in ordered if not gpu.mig]
    if wanted is not None:
        return tuple(sorted((whole or ordered)[:wanted], key=lambda gpu: gpu.index)), f"tensor_parallel: {wanted}"
    best: tuple[Gpu, ...] = (ordered[0],)
    for count in GROUPS:
        group = tuple(sorted((ordered if count == 1 else whole)[:count], key=lambda gpu: gpu.index))
        if len(group) < count:
            break
        best = group
        if holds(group):
            break
    if len(best) == 1:
        return best, "the GPU with most room" if len(gpus) > 1 else "the only GPU"
    return best, f"{show_size(least(len(best)))} fit on no fewer GPUs"
