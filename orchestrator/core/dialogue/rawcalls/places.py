"""Reading a text from place to place: what readers of several formats share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Calls = list[tuple[str, dict[str, Any]]]
Read = Callable[[str], Calls]
ReadAt = Callable[[str, int], tuple[Calls, int]]
"""What stands at a place of a text, and where it ends. ValueError: what stands there is written in another way."""


def after_each(marker: str, text: str, read: ReadAt) -> Calls:
    """What `read` finds after each marker. One in a call that was read is a part of its values."""
    calls: Calls = []
    opening = re.compile(marker)
    found = opening.search(text)
    while found:
        end = found.end()
        try:
            here, end = read(text, end)
            calls += here
        except (ValueError, RecursionError):
            pass
        found = opening.search(text, end)
    return calls


def past(pattern: str, text: str, at: int) -> int:
    """The end of the pattern, which must stand at that place."""
    found = re.compile(pattern).match(text, at)
    if found is None:
        raise ValueError(f"no {pattern} at {at}")
    return found.end()
