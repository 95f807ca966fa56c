"""The plan: what will run on this host, each decision with its reason. `plan()` itself: core/planner/planning.py."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.core.host import Host
from orchestrator.core.launch import Launch
from orchestrator.core.spec import Stack

Supervisor = Literal["embedded", "llama-swap"]
Manager = Literal["", "systemd", "systemd-system", "launchd", "compose", "quadlet"]
"""Who keeps what is resident running: "" = our daemon alone; systemd: the user's own; systemd-system: the machine's."""
CONTAINED: frozenset[Manager] = frozenset({"compose", "quadlet"})
"""Managers that run containers only, and nothing on demand."""


@dataclass(frozen=True, slots=True)
class Decision:
    """subject: a model id or "stack"; what: `backend`, `port`, `parser`, ...; reason: why, in a few words."""

    subject: str
    what: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A source that was not chosen. source: as `models.tiny.sources.vllm-mlx`."""

    model: str
    backend: str
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pool:
    """Memory that launches share. size - reserve is what they may take together. Bytes."""

    name: str
    size: int
    reserve: int


@dataclass(frozen=True, slots=True)
class Plan:
    """names: every public name (id, alias, variant, role) -> model id; default: the default role's model id.

    sets: maximal sets of model ids that may run together (at most 64), largest first, in file order;
    evicts: model id -> ids that must stop before it may start, when all residents run; manager: of the residents.
    """

    name: str
    stack: Stack
    host: Host
    supervisor: Supervisor
    launches: tuple[Launch, ...]
    names: Mapping[str, str]
    default: str | None
    sets: tuple[tuple[str, ...], ...]
    evicts: Mapping[str, tuple[str, ...]]
    pools: tuple[Pool, ...]
    listen: tuple[tuple[str, int], ...]
    swap_port: int | None = None
    manager: Manager = ""
    decisions: tuple[Decision, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()
    forced: tuple[str, ...] = field(default=())
    unknown: tuple[str, ...] = ()
    """Models whose weights are not known yet: `up` refuses them unless `memory.weights` is declared."""

    def launch(self, model: str) -> Launch:
        return next(launch for launch in self.launches if launch.model == model)

    def together(self, models: frozenset[str]) -> bool:
        """Whether these model ids may run at the same time. Attached models take no memory and are always free.

        One on-demand model beside residents always may: the plan has seen to that, however many sets it left out.
        """
        owned = [launch for launch in self.launches if launch.model in models and launch.owner != "external"]
        if sum(launch.serving.residency != "resident" for launch in owned) <= 1:
            return True
        names = {launch.model for launch in owned}
        return any(names <= set(group) for group in self.sets)

    @property
    def managed(self) -> tuple[str, ...]:
        """Models whose engine a service manager starts and stops."""
        return tuple(launch.model for launch in self.launches if launch.owner in ("manager", "compose"))

    @property
    def endpoint(self) -> str:
        return endpoint_url(self.listen[0])

    @property
    def tag(self) -> str:
        """`stack-<name>`: the stem of every file, unit and container name of ours."""
        return f"stack-{self.name}"


def endpoint_url(listen: tuple[str, int]) -> str:
    """The URL that clients are told, ending in /v1; a wildcard bind is shown as loopback."""
    host, port = listen
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}/v1"


def slug(model: str) -> str:
    """A model id as a file, unit and container name may hold it: `qwen3-30b-1a2b3c` (DESIGN.md, decision 9)."""
    safe = "".join(c if c.isascii() and c.isalnum() else "-" for c in model.lower()).strip("-")[:40]
    return f"{safe}-{hashlib.sha256(model.encode()).hexdigest()[:6]}"
