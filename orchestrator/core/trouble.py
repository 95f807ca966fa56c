"""A problem of stack.yaml before its line is known."""

from __future__ import annotations

from dataclasses import dataclass

Steps = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Trouble:
    """steps: the place. because: places whose absence is the cause; if the file has something there that was refused
    on its own, this problem is an echo of that one and goes unsaid."""

    steps: Steps
    text: str
    mend: str = ""
    because: tuple[Steps, ...] = ()


def path(steps: Steps) -> str:
    """`models.tiny.aliases.0`."""
    return ".".join(str(step) for step in steps)
