"""All checks, made on one set of facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from orchestrator.core.doctor import (
    apple,
    containers,
    disk,
    leftovers,
    memory,
    network,
    nvidia,
    programs,
    session,
    stackfile,
)
from orchestrator.core.doctor.facts import Facts
from orchestrator.core.doctor.need import Need
from orchestrator.core.doctor.result import CannotTell, Result, Said, ordered

Check = Callable[[Facts, Need], Iterable[Said]]

CHECKS: tuple[Check, ...] = (
    stackfile.stack_file,
    nvidia.nvidia_driver,
    nvidia.cuda_of_images,
    nvidia.mig,
    nvidia.container_toolkit,
    containers.docker_daemon,
    containers.docker_api,
    containers.docker_compose,
    apple.wired_limit,
    apple.metal_compiler,
    memory.memory_available,
    memory.memory_pressure,
    disk.disk_for_weights,
    disk.images,
    disk.hub_cache,
    network.ports,
    network.proxy,
    programs.engine_versions,
    programs.llama_swap,
    session.linger,
    session.open_files,
    session.clock,
    leftovers.runtime_folder,
    leftovers.stale_sockets,
    leftovers.leftover_engines,
)


def name_of(check: Check) -> str:
    """`docker_daemon` -> `docker-daemon`."""
    return str(getattr(check, "__name__", "")).replace("_", "-")


def examine(facts: Facts, need: Need) -> tuple[Result, ...]:
    """Grave ones first. A check that does not concern this machine says nothing."""
    return ordered(one for check in CHECKS for one in made(check, facts, need))


def made(check: Check, facts: Facts, need: Need) -> Iterator[Result]:
    """What one check says; that it cannot be made, where a fact is missing."""
    name = name_of(check)
    try:
        for said in check(facts, need):
            yield Result(name, said.level, said.text, said.mend)
    except CannotTell as error:
        yield Result(name, "unknown", f"cannot be checked: {error}")
