"""Parameters of a request that are set or taken out on its way: what to do, whatever the body's format."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""One parameter under three names: in completions and messages, in newer chat completions, in responses."""
NOTHING: Mapping[str, bytes] = MappingProxyType({})


def alike(key: str) -> tuple[str, ...]:
    """All names of the parameter, its own among them."""
    return LIMITS if key in LIMITS else (key,)


@dataclass(frozen=True, slots=True)
class Edits:
    """put: set whatever the client says; fill: set where it says nothing, or null; drop: what the client says is not
    passed on. Values are JSON. No parameter is in both `put` and `fill`, by any of its names."""

    put: Mapping[str, bytes] = field(default_factory=lambda: NOTHING)
    fill: Mapping[str, bytes] = field(default_factory=lambda: NOTHING)
    drop: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.put or self.fill or self.drop)

    @property
    def keys(self) -> frozenset[str]:
        """What must be looked for in a body."""
        return self.drop | {name for key in (*self.put, *self.fill) for name in alike(key)}

    def decide(self, seen: Collection[str], said: Collection[str]) -> tuple[frozenset[str], dict[str, bytes]]:
        """(keys to take out of the body, what to set in it). seen: keys that are there; said: those that count."""
        out, added = set(self.drop), dict(self.put)
        for key in self.put:
            out.update(alike(key))
        for key, value in self.fill.items():
            if not any(name in said and name not in self.drop for name in alike(key)):
                added[key] = value
                out.update(alike(key))
        return frozenset(key for key in seen if key in out), added


UNCHANGED = Edits()
