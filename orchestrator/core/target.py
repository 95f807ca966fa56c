"""The interface of a render target: one per file in core/targets/, found by edge/discover.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from orchestrator.core.plan import Manager, Plan


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file to write. path: relative to the output folder, `llama-swap/config.yaml`; notes: what stack.yaml asks for
    and this file cannot say, for whoever renders it."""

    path: str
    text: str
    mode: int = 0o644
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Site:
    """Where things are on the machine that the files are for, and whose they are. Paths are absolute.

    stack: argv of our command line; state: the stack's own folder; states: that of all stacks, links followed, which
    engines are told (core/containers.STATE); sockets: the folder of control sockets; config: the user's folder of
    settings; runtime: of what lives as long as the machine is up; env: variables that a user's shell has and a service
    manager has not, and that decide where things are (XDG_STATE_HOME, HF_HOME, DOCKER_HOST); version: of our package.
    """

    stack: tuple[str, ...]
    state: str
    states: str
    sockets: str
    home: str
    config: str
    user: str
    uid: int
    gid: int
    runtime: str = ""
    env: tuple[tuple[str, str], ...] = ()
    version: str = ""


Templates = Callable[..., str]
"""templates(name, **values) -> text: renders templates/NAME with undefined values an error."""


class Target(Protocol):
    name: str
    systems: tuple[str, ...]
    implemented: bool
    manager: Manager
    """Who runs what it renders; "" = whoever runs the stack."""

    def render(self, plan: Plan, templates: Templates, site: Site) -> tuple[Artifact, ...]:
        """Raises PlanError when this plan cannot be said in this target."""


Targets = Mapping[str, Target]
