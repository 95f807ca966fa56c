"""Ollama's own API as values (its docs/api.md and api/types.go, v0.32): versions, tags, what is loaded, for how long.

A pull is told layer by layer: the sum of what is known grows while it runs. A keep_alive stays with the loaded model
until another request names one (its server/sched.go), so one is enough for all requests that come by /v1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orchestrator.core.launch import Serving

NEEDED = (0, 14, 0)
"""/v1/messages, and before it /v1/responses, the context in /api/ps, capabilities in /api/show, streamed tool calls."""
INDEXES = (0, 20, 6)
"""From here on parallel streamed calls have indexes of their own (ollama#15467)."""
LEASE = 600
"""Seconds for which a resident is kept, again and again: should we die, Ollama has its memory back after that."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory. size: bytes in all; vram: of them on GPUs; expires: unix time, None where it is not said."""

    name: str
    size: int
    vram: int
    context: int
    expires: float | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What Ollama says of a model on its disk. capabilities: its own words, () where it tells none; context: num_ctx of
    its Modelfile, None = the server's default."""

    capabilities: tuple[str, ...]
    context: int | None
    longest: int | None


def version(text: str) -> tuple[int, ...] | None:
    """`0.13.0-rc1` -> (0, 13, 0); None for what is no release (0.0.0 is a build from source)."""
    hit = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    found = tuple(map(int, hit.groups())) if hit else None
    return None if found == (0, 0, 0) else found


def words(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def full_name(tag: str) -> str:
    """As Ollama compares names: `Qwen3` -> `registry.ollama.ai/library/qwen3:latest`."""
    path, colon, label = tag.rpartition(":")
    if not colon or "/" in label:
        path, label = tag, "latest"
    parts = path.lower().split("/")
    parts = [*("registry.ollama.ai", "library")[: 3 - len(parts)], *parts] if len(parts) < 3 else parts
    return f"{'/'.join(parts)}:{label.lower()}"


def loaded(reply: Mapping[str, Any]) -> tuple[Loaded, ...]:
    """/api/ps. Raises KeyError, TypeError, ValueError where it is something else."""
    return tuple(
        Loaded(
            name=str(row["model"]),
            size=int(row.get("size") or 0),
            vram=int(row.get("size_vram") or 0),
            context=int(row.get("context_length") or 0),
            expires=_time(row.get("expires_at")),
        )
        for row in reply["models"]
    )


def find(rows: Sequence[Loaded], tag: str) -> Loaded | None:
    return next((row for row in rows if full_name(row.name) == full_name(tag)), None)


def _time(text: str | None) -> float | None:
    """Go's zero time (year 1) and a date that a float cannot hold mean nothing."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        return found.timestamp() if found.year > 1 else None
    except (ValueError, OverflowError):
        return None


def shown(reply: Mapping[str, Any]) -> Shown:
    """/api/show."""
    hit = re.search(r"^num_ctx\s+(\d+)", str(reply.get("parameters") or ""), re.MULTILINE)
    info = reply.get("model_info") or {}
    longest = next((int(value) for key, value in info.items() if key.endswith(".context_length")), None)
    return Shown(tuple(reply.get("capabilities") or ()), int(hit[1]) if hit else None, longest)


@dataclass
class Pull:
    """The lines of a pull as bytes done of bytes known."""

    layers: dict[str, tuple[int, int]] = field(default_factory=dict)

    def take(self, line: Mapping[str, Any]) -> None:
        if digest := line.get("digest"):
            self.layers[str(digest)] = (int(line.get("completed") or 0), int(line.get("total") or 0))

    @property
    def done(self) -> int:
        return sum(done for done, _ in self.layers.values())

    @property
    def total(self) -> int:
        return sum(total for _, total in self.layers.values())


@dataclass(frozen=True, slots=True)
class Touch:
    """A request that loads the model if it is not, and sets how long it stays. seconds None: Ollama's default."""

    seconds: int | None


def first_touch(serving: Serving) -> Touch | None:
    """What a model is loaded with at the start, None: not loaded before it is asked for."""
    if serving.residency == "resident":
        return Touch(LEASE)
    return Touch(serving.ttl) if serving.preload else None


def due(serving: Serving, *, loaded: bool, sent: float | None, now: float) -> Touch | None:
    """What to send now. sent: when it was sent last since the model was loaded, None = not yet; in seconds."""
    if serving.residency == "resident":
        return Touch(LEASE) if not loaded or sent is None or now - sent >= LEASE / 2 else None
    if serving.ttl is not None and loaded and sent is None:
        return Touch(serving.ttl)
    return None
