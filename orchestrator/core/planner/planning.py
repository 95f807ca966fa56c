"""stack x host x weights -> Plan: a pure, stable function; every problem is found before any is raised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from orchestrator.core.backend import Backends
from orchestrator.core.engines import LLAMA_SWAP
from orchestrator.core.fields import listen_address
from orchestrator.core.host import Host, System
from orchestrator.core.launch import Launch
from orchestrator.core.plan import CONTAINED, Manager, Plan, Pool
from orchestrator.core.planner import choosing, launching, ports, sets, sizing
from orchestrator.core.planner.flags import NO_LISTS, Lists, told
from orchestrator.core.planner.notes import Notes
from orchestrator.core.planner.sizing import Item, less
from orchestrator.core.spec import Stack
from orchestrator.core.stackfile.names import further_names
from orchestrator.core.stackfile.notyet import not_yet
from orchestrator.core.swap_versions import UNLOAD_TIMEOUT, known_version
from orchestrator.core.trouble import path
from orchestrator.core.weights import Weights
from orchestrator.errors import PlanError, Problem

Where = Callable[[str], tuple[int | None, str]]
"""A place in stack.yaml -> (line, excerpt)."""

SWAP = "llama-swap"
MANAGERS: Mapping[System, Manager] = {"linux": "systemd", "macos": "launchd"}


@dataclass(frozen=True, slots=True)
class Kept:
    """What is always loaded, and who sees to that."""

    manager: Manager
    residents: frozenset[str]


def plan(
    stack: Stack,
    host: Host,
    weights: Mapping[str, Weights],
    *,
    name: str,
    backends: Backends,
    force: frozenset[str] = frozenset(),
    manager: Manager = "",
    where: Where | None = None,
    lists: Lists = NO_LISTS,
) -> Plan:
    """weights: by `weights_key(source)`; name: the stack's; force: models that may exceed memory; manager: who is to
    run it, "" = as `service` says; lists: the flags of engines in container images.

    Raises PlanError with all problems, each with its place in stack.yaml.
    """
    if problems := not_yet(stack):
        raise _error("this version cannot do all that stack.yaml asks for", problems, where)
    notes = Notes()
    for model in sorted(force - set(stack.models)):
        notes.problem("", f"--force {model}: there is no such model")
    default = _default(stack, notes)
    manager = _manager(stack, host, manager, notes)
    residents = _residents(stack, default, manager, notes)
    pools = choosing.pools(stack, host, notes)
    items = choosing.choose(stack, host, weights, backends, pools, residents, force, manager, notes)
    items = told(items, lists)
    used = choosing.used(stack, host, items, notes)
    found = sizing.sizes(
        used,
        [item for model, item in items.items() if model in residents],
        [item for model, item in items.items() if model not in residents],
    )
    taken, swap_port = _ports(stack, host, name, items, Kept(manager, residents), notes)
    owners = launching.Owners(name, manager)
    launches = tuple(
        launching.launch(item, found[model], host, stack, taken.get(model), model in residents, owners, notes)
        for model, item in items.items()
    )
    if notes.problems:
        raise _error("stack.yaml cannot be planned on this machine", tuple(notes.problems), where)
    unknown = tuple(model for model, item in items.items() if item.unknown)
    notes.warnings.extend(
        f"{model}: what it takes of memory is not known: declare memory.weights or memory.host"
        if items[model].chosen.backend.name == "command"
        else f"{model}: the weights are not here yet, so their memory is not known"
        for model in unknown
    )
    together, evicts = _swaps(used, launches, items)
    return Plan(
        name=name,
        stack=stack,
        host=_slim(host),
        supervisor="llama-swap" if swap_port is not None else "embedded",
        launches=launches,
        names=_names(stack, default),
        default=default,
        sets=together,
        evicts=evicts,
        pools=tuple(used.values()),
        listen=tuple(listen_address(text) for text in stack.endpoint.listen),
        swap_port=swap_port,
        manager=manager,
        decisions=tuple(notes.decisions),
        skipped=tuple(notes.skipped),
        warnings=tuple(notes.warnings),
        forced=tuple(model for model in stack.models if model in force),
        unknown=unknown,
    )


def _error(text: str, problems: tuple[Problem, ...], where: Where | None) -> PlanError:
    if where is not None:
        placed = ((problem, where(problem.where) if problem.where else (None, "")) for problem in problems)
        problems = tuple(replace(problem, line=line, excerpt=excerpt) for problem, (line, excerpt) in placed)
    return PlanError(text, problems=problems)


def _default(stack: Stack, notes: Notes) -> str | None:
    named = next((model for model, shape in stack.models.items() if "default" in shape.roles), None)
    if named is not None:
        notes.decide("stack", "default", named, "role default")
        return named
    if len(stack.models) == 1:
        only = next(iter(stack.models))
        notes.decide("stack", "default", only, "the only model")
        return only
    return None


def _manager(stack: Stack, host: Host, asked: Manager, notes: Notes) -> Manager:
    if asked:
        notes.decide("stack", "manager", asked, "asked for")
        return asked
    if stack.service == "none":
        return ""
    found = MANAGERS[host.system]
    notes.decide("stack", "manager", found, f"service: {stack.service}")
    return found


def _residents(stack: Stack, default: str | None, manager: Manager, notes: Notes) -> frozenset[str]:
    found = set()
    for model, shape in stack.models.items():
        if manager in CONTAINED:
            value, reason = "resident", f"{manager} starts nothing on demand"
        elif shape.residency is not None:
            value, reason = shape.residency, "declared"
        elif model != default:
            value, reason = "on-demand", "the default"
        elif shape.ttl is not None or shape.preload:
            value, reason = "on-demand", "`ttl` and `preload` are for on-demand models"
        else:
            value, reason = "resident", "it is the default model"
        notes.decide(model, "residency", value, reason)
        if value == "resident":
            found.add(model)
    return frozenset(found)


def _ports(
    stack: Stack, host: Host, name: str, items: Mapping[str, Item], kept: Kept, notes: Notes
) -> tuple[dict[str, int | None], int | None]:
    """(model -> port, llama-swap's own port). Declared ports first, then the hash's."""
    claimed = {listen_address(text)[1]: "endpoint.listen" for text in stack.endpoint.listen}
    taken: dict[str, int | None] = {}
    owned = [model for model, item in items.items() if not item.external]
    for model in owned:
        port = stack.models[model].serve.port
        if port is None:
            continue
        at = path(("models", model, "serve", "port"))
        if port in claimed:
            notes.problem(at, f"port {port} is already taken by {claimed[port]}", "choose another, or leave it out")
        claimed[port] = at
        taken[model] = port
        notes.decide(model, "port", port, "serve.port")
    hashed = ports.assign(name, [model for model in owned if model not in taken], set(claimed))
    for model, free in hashed.items():
        if free is None:
            notes.problem(path(("models", model)), f"no port of {ports.FIRST}-{ports.LAST} is free", "set serve.port")
        reason = "stable hash of stack and model"
        notes.decide(
            model, "port", free, reason if free == ports.preferred(name, model) else f"{reason}, next free slot"
        )
    taken |= hashed
    if kept.manager in CONTAINED:
        return taken, None
    if kept.manager and stack.supervisor == SWAP and kept.residents.issuperset(owned):
        notes.decide("stack", "supervisor", "embedded", f"{kept.manager} runs all residents, and nothing is on demand")
        return taken, None
    notes.decide("stack", "supervisor", *_supervisor(stack, host, notes))
    if stack.supervisor != SWAP:
        return taken, None
    used = set(claimed) | {port for port in taken.values() if port is not None}
    swap = ports.assign(name, [SWAP], used)[SWAP]
    notes.decide("stack", "llama-swap port", swap, "stable hash of the stack")
    return taken, swap


def _supervisor(stack: Stack, host: Host, notes: Notes) -> tuple[str, str]:
    if stack.supervisor != SWAP:
        return "embedded", "auto" if stack.supervisor == "auto" else "declared"
    if host.llama_swap is None:
        install = LLAMA_SWAP.install.get(host.system, "")
        notes.problem("supervisor", "llama-swap is not installed", install)
        return SWAP, "declared"
    version = known_version(host.llama_swap)
    known = "rendered is what that version knows" if version else "it does not say its version"
    notes.decide("stack", SWAP, version or "unknown", f"{known}: {host.llama_swap.bin}")
    if version and version < UNLOAD_TIMEOUT:
        notes.warnings.append(f"llama-swap v{version} kills an engine that has not stopped after 10 s")
    return SWAP, "declared"


def _swaps(
    pools: Mapping[str, Pool], launches: tuple[Launch, ...], items: Mapping[str, Item]
) -> tuple[tuple[tuple[str, ...], ...], dict[str, tuple[str, ...]]]:
    """(sets, evicts). A forced on-demand model shares with residents alone; forced residents do not count."""
    standing = {model: {part.pool: part.total for part in item.standing} for model, item in items.items()}
    needs = {
        launch.model: {r.pool: r.total - standing[launch.model].get(r.pool, 0) for r in launch.memory}
        for launch in launches
        if launch.owner != "external"
    }
    residents = [
        launch.model for launch in launches if launch.model in needs and launch.serving.residency == "resident"
    ]
    room = choosing.rooms(pools)
    for always in standing.values():
        room = less(room, always)
    for model in residents:
        if not items[model].forced:
            room = less(room, needs[model])
    on_demand = {model: need for model, need in needs.items() if model not in residents}
    alone = frozenset(model for model in on_demand if items[model].forced)
    if not needs:
        return (), {}
    return sets.maximal(room, residents, on_demand, alone), sets.evictions(room, on_demand, alone)


def _names(stack: Stack, default: str | None) -> dict[str, str]:
    names = {model: model for model in stack.models}
    for model, shape in stack.models.items():
        names |= {name: model for _, _, name in further_names(shape)}
    if default is not None:
        names.setdefault("default", default)
    return names


def _slim(host: Host) -> Host:
    """The host without the engines' flag lists, which planning has used up; engines in a fixed order."""
    engines = {name: replace(host.engines[name], flags=()) for name in sorted(host.engines)}
    return replace(host, engines=engines)
