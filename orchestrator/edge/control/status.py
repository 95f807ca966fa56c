"""What a daemon says of itself (`stack status --json`), as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from orchestrator.edge.run.api import State


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """state: also "external" (attached); tools: "verified", "degraded", "failed", "untested" or "none"."""

    id: str
    backend: str
    state: State
    tools: str
    pid: int | None = None
    port: int | None = None
    error: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """running: whether the stack is up; ready: and proven. endpoint: None for a stack that was never up."""

    running: bool
    ready: bool
    endpoint: str | None
    supervisor: str
    models: tuple[ModelStatus, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """{}: never up."""
        names = [one.name for one in fields(ModelStatus)]
        rows = [{name: row[name] for name in names if name in row} for row in found.get("models", ())]
        return cls(
            running=found.get("pid") is not None,
            ready=bool(found.get("ready")),
            endpoint=found.get("endpoint"),
            supervisor=str(found.get("supervisor", "none")),
            models=tuple(ModelStatus(**row) for row in rows),
            warnings=tuple(found.get("warnings", ())),
        )
