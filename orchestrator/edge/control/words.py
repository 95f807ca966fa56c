"""A daemon's events in words, for whoever watches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.edge.run.api import Event


def words(event: Event) -> str:
    """What happened, in a line; "" for an event that says nothing."""
    data: Mapping[str, Any] = event.data or {}
    if event.kind == "turn":
        mark = "ok" if data.get("ok") else "BAD"
        return f"turn {data.get('number', '?'):>2} {mark:3} {data.get('text', '')}"
    if event.kind == "verdict" and not event.text:
        bad = "".join(f"; {finding}" for finding in data.get("findings") or ())
        cached = ", found before" if data.get("cached") else ""
        left = f" (left out: {', '.join(data['skipped'])})" if data.get("skipped") else ""
        return f"tools {data.get('verdict')}: {data.get('clean')}/{data.get('turns')} turns clean{left}{cached}{bad}"
    return event.text
