"""Ports: a stable hash of stack and model, so that adding a model moves no other (DESIGN.md, decision 2)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

FIRST, LAST = 18500, 18899
_COUNT = LAST - FIRST + 1


def preferred(stack: str, model: str) -> int:
    digest = hashlib.sha256(f"{stack}/{model}".encode()).digest()
    return FIRST + int.from_bytes(digest[:8], "big") % _COUNT


def assign(stack: str, models: Iterable[str], taken: Collection[int]) -> dict[str, int | None]:
    """A port each, in file order: the hash's, or the next free slot (around the end). None: the range is full."""
    used = set(taken)
    ports: dict[str, int | None] = {}
    for model in models:
        start = preferred(stack, model) - FIRST
        free = (FIRST + (start + step) % _COUNT for step in range(_COUNT))
        ports[model] = next((port for port in free if port not in used), None)
        if (port := ports[model]) is not None:
            used.add(port)
    return ports
