"""A stack.yaml in the making: the shape's own keys as plain data, and what could not be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.trouble import Steps


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader should know of one place of the config that was read. steps: that place."""

    steps: Steps
    text: str


@dataclass
class Draft:
    """One model. backend, source: the one source; model: the other keys. steps: its place in the config."""

    id: str
    steps: Steps
    backend: str = "command"
    source: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    env: list[str] = field(default_factory=list)
    """`K=V`, not sorted out yet."""

    def note(self, text: str, *below: str | int) -> None:
        self.notes.append(Note((*self.steps, *below), text))

    def put(self, key: str, value: Any) -> None:
        """`serve.port` goes into the mapping `serve`. What is there stays: the first to say it is the nearest."""
        head, _, rest = key.partition(".")
        if rest:
            self.model.setdefault(head, {}).setdefault(rest, value)
        else:
            self.model.setdefault(head, value)

    def add(self, key: str, *values: Any) -> None:
        """To a list, each value once."""
        head, _, rest = key.partition(".")
        place = self.model.setdefault(head, {}) if rest else self.model
        known = place.setdefault(rest or head, [])
        known += [value for value in dict.fromkeys(values) if value not in known]

    def extra(self, *arguments: str) -> None:
        self.model.setdefault("serve", {}).setdefault("extra_args", []).extend(arguments)

    def data(self) -> dict[str, Any]:
        """As stack.yaml says it, in the shape's order."""
        order = ("capabilities", "context", "sources", "serve", "memory", "residency", "ttl", "preload", "parsers")
        whole = self.model | {"sources": {self.backend: self.source}}
        return {key: whole[key] for key in sorted(whole, key=lambda k: order.index(k) if k in order else 99)}


@dataclass(frozen=True)
class Imported:
    """keys: `endpoint.keys`; models in the config's order; notes: of the config as a whole."""

    models: tuple[Draft, ...]
    keys: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    def data(self) -> dict[str, Any]:
        """A whole stack.yaml."""
        endpoint = {"endpoint": {"keys": {name: dict(key) for name, key in self.keys.items()}}} if self.keys else {}
        return {"version": 1, **endpoint, "models": {draft.id: draft.data() for draft in self.models}}

    def every_note(self) -> tuple[Note, ...]:
        """Each once: what a peer says holds for all its models."""
        return tuple(dict.fromkeys([*self.notes, *(note for draft in self.models for note in draft.notes)]))
