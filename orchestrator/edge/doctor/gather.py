"""All facts at once, each within its time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.core.doctor.facts import Facts, Missing, Trouble
from orchestrator.core.doctor.need import Need
from orchestrator.core.host import Host
from orchestrator.edge import paths
from orchestrator.edge.doctor import gpus, machine, places
from orchestrator.edge.doctor.later import Later
from orchestrator.edge.host.flags import captured
from orchestrator.edge.hub.pull import Wanted


def gather(
    need: Need,
    host: Host | Missing,
    *,
    troubles: Sequence[Trouble] = (),
    wanted: Sequence[Wanted] = (),
    stack: paths.StackPaths | None = None,
) -> Facts:
    """host: as it was detected for the plan; wanted: sources whose weights are not here; stack: the one at hand."""
    user = machine.user()
    questions: dict[str, Callable[[], Any]] = {
        "memory": machine.memory,
        "nvidia": gpus.nvidia,
        "docker": lambda: gpus.docker(need.images),
        "docker_disk": gpus.docker_disk,
        "ports": lambda: places.held(need.ports, stack),
        "cache_disk": lambda: places.disk(paths.hub_cache()),
        "downloads": lambda: places.downloads(wanted),
        "files": machine.files,
        "clock": machine.clock,
        "environment": machine.environment,
        "metal": machine.metal,
        "linger": lambda: machine.linger(user),
        "runtime": places.runtime,
        "leftovers": places.leftovers,
    }
    asked = {name: Later(name.replace("_", " "), question) for name, question in questions.items()}
    found = {name: one.value() for name, one in asked.items()}
    if isinstance(host, Host):  # flag lists are long, and no check reads them
        host = replace(host, engines={name: replace(one, flags=()) for name, one in host.engines.items()})
    tested = {name: version for name in (host.engines if isinstance(host, Host) else ()) if (version := _tested(name))}
    return Facts(user=user, host=host, troubles=tuple(troubles), tested=tested, **found)


def _tested(name: str) -> str:
    return captured(name)[0]
