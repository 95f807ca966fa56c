"""What is found in a request body: what the scanner of core/wire/scanner.py answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class NotJson(ValueError):
    """The body is no JSON object, or one that readers would not agree on. at: byte offset."""

    def __init__(self, text: str, at: int) -> None:
        super().__init__(f"{text} at byte {at}")
        self.at = at


class Member(NamedTuple):
    """One watched member of the body itself, from its key's quote to the end of its value, in byte offsets."""

    key: str
    start: int
    end: int
    null: bool


@dataclass(slots=True)  # one for every request: a frozen one takes five times as long to make
class Found:
    """model: its value, None if absent; span: byte offsets of that value with its quotes; tools: a non-empty array.

    seen: watched keys that are there; said: those whose value is not null (of several, the last); members: where they
    stand, in the body's order, None = not looked for.
    """

    model: str | None
    span: tuple[int, int]
    tools: bool
    seen: frozenset[str] = frozenset()
    said: frozenset[str] = frozenset()
    members: tuple[Member, ...] | None = None


def found(model: str | None, span: tuple[int, int], tools: bool, members: Sequence[Member]) -> Found:
    """What a scanner has found."""
    last = {member.key: member.null for member in members}
    said = frozenset(key for key, null in last.items() if not null)
    return Found(model, span, tools, frozenset(last), said, tuple(members))
