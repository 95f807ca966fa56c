"""What a stack asks of its machine, read off the plan; without a plan, what stack.yaml alone says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.core.engines import PROGRAMS
from orchestrator.core.fields import listen_address
from orchestrator.core.launch import Container, Launch, Process
from orchestrator.core.plan import Plan
from orchestrator.core.planner.select import choice_of
from orchestrator.core.spec import EngineChoice, Stack
from orchestrator.core.trouble import path


@dataclass(frozen=True, slots=True)
class Port:
    host: str
    port: int
    what: str


@dataclass(frozen=True, slots=True)
class Need:
    """Nothing at all where there is no stack.yaml (stack "").

    memory: most bytes at once by pool: residents and the largest on-demand model; start: residents alone; reserve: what
    the plan keeps back; engines: backend -> the version that stack.yaml pins ("" = any), of what runs as a process;
    own_builds: models whose engine is the user's own; images: container images; gpu_images: those that get GPUs;
    missing: models whose weights are not here.
    """

    stack: str = ""
    ports: tuple[Port, ...] = ()
    memory: Mapping[str, int] = field(default_factory=dict)
    start: Mapping[str, int] = field(default_factory=dict)
    reserve: Mapping[str, int] = field(default_factory=dict)
    engines: Mapping[str, str] = field(default_factory=dict)
    own_builds: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    gpu_images: tuple[str, ...] = ()
    gpus: bool = False
    missing: tuple[str, ...] = ()
    supervisor: str = "embedded"
    service: str = "none"
    running: bool = False


def need_of(stack: Stack, name: str, plan: Plan | None, *, running: bool = False) -> Need:
    """running: the stack is up now, so that its memory and ports are taken by itself."""
    gateway = tuple(Port(*listen_address(text), "the gateway") for text in stack.endpoint.listen)
    supervisor = "llama-swap" if stack.supervisor == "llama-swap" else "embedded"
    if plan is None:
        pins = dict(_declared(stack))
        return Need(name, gateway, engines=pins, supervisor=supervisor, service=stack.service, running=running)
    containers = [launch for launch in plan.launches if isinstance(launch.how, Container)]
    return Need(
        stack=name,
        ports=(*gateway, *_ports(plan)),
        memory=_memory(plan),
        start=_sum(launch for launch in plan.launches if launch.serving.residency == "resident"),
        reserve={pool.name: pool.reserve for pool in plan.pools},
        engines=dict(_engines(stack, plan)),
        own_builds=tuple(_own_builds(stack, plan)),
        images=tuple(dict.fromkeys(one.how.image for one in containers if isinstance(one.how, Container))),
        gpu_images=tuple(
            dict.fromkeys(one.how.image for one in containers if isinstance(one.how, Container) and one.how.gpus)
        ),
        gpus=any(part.pool.startswith("gpu:") for launch in plan.launches for part in launch.memory),
        missing=plan.unknown,
        supervisor=supervisor,
        service=stack.service,
        running=running,
    )


def _ports(plan: Plan) -> Iterator[Port]:
    for launch in plan.launches:
        if launch.owner != "external" and launch.port is not None:
            yield Port("127.0.0.1", launch.port, f"model {launch.model}")
    if plan.swap_port is not None:
        yield Port("127.0.0.1", plan.swap_port, "llama-swap")


def _sum(launches: Iterator[Launch]) -> dict[str, int]:
    found: dict[str, int] = {}
    for launch in launches:
        for part in launch.memory:
            found[part.pool] = found.get(part.pool, 0) + part.total
    return found


def _memory(plan: Plan) -> dict[str, int]:
    found = _sum(launch for launch in plan.launches if launch.serving.residency == "resident")
    largest: dict[str, int] = {}
    for launch in plan.launches:
        if launch.serving.residency != "resident":
            for part in launch.memory:
                largest[part.pool] = max(largest.get(part.pool, 0), part.total)
    return {pool: found.get(pool, 0) + largest.get(pool, 0) for pool in {**found, **largest}}


def _choices(stack: Stack, plan: Plan) -> Iterator[tuple[Launch, EngineChoice]]:
    """Launches that are processes here, and which build of their engine stack.yaml asks for."""
    sources = {
        path(("models", model, "sources", key)): source
        for model, shape in stack.models.items()
        for key, _, source in shape.ordered_sources()
    }
    for launch in plan.launches:
        if isinstance(launch.how, Process):
            own = getattr(sources.get(launch.source), "engine", None) or EngineChoice()
            general = choice_of(stack, launch.backend)
            yield launch, EngineChoice(version=own.version or general.version, bin=own.bin or general.bin)


def _engines(stack: Stack, plan: Plan) -> Iterator[tuple[str, str]]:
    for launch, choice in _choices(stack, plan):
        if launch.backend in PROGRAMS:
            yield launch.backend, choice.version or ""


def _own_builds(stack: Stack, plan: Plan) -> Iterator[str]:
    for launch, choice in _choices(stack, plan):
        if launch.backend == "command" or choice.bin:
            yield launch.model


def _declared(stack: Stack) -> Iterator[tuple[str, str]]:
    """The pins of stack.yaml: without a plan nobody knows which backends would run."""
    for name in PROGRAMS:
        if version := choice_of(stack, name).version:
            yield name, version
