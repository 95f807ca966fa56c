"""The interface of a render target: one per file in core/targets/, found by edge/discover.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file to write. path: relative to the output folder, `llama-swap/config.yaml`; notes: what stack.yaml asks for
    and this file cannot say, for whoever renders it."""

    path: str
    text: str
    mode: int = 0o644
    notes: tuple[str, ...] = ()


Templates = Callable[..., str]
"""templates(name, **values) -> text: renders templates/NAME with undefined values an error."""


class Target(Protocol):
    name: str
    systems: tuple[str, ...]
    implemented: bool

    def render(self, plan: Plan, templates: Templates) -> tuple[Artifact, ...]:
        """Raises PlanError when this plan cannot be said in this target."""


Targets = Mapping[str, Target]
