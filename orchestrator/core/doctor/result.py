"""What a check says, in which order, and what that means for the exit code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

from orchestrator.core.doctor.facts import Missing

Level = Literal["grave", "warning", "unknown", "ok"]
LEVELS: tuple[Level, ...] = ("grave", "warning", "unknown", "ok")
GRAVE = 4
"""Exit code when something grave was found: what `stack up` says when a machine lacks what a stack needs."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said:
    """grave: this stack cannot come up, or what is here is broken and asked for; warning: it works, but not well;
    unknown: the check could not be made."""

    level: Level
    text: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    check: str
    level: Level
    text: str
    mend: str = ""


class CannotTell(Exception):
    """A fact that a check needs is missing."""


def known(fact: T | Missing) -> T:
    """Raises CannotTell with the reason."""
    if isinstance(fact, Missing):
        raise CannotTell(fact.why)
    return fact


def ok(text: str) -> Said:
    return Said("ok", text)


def warning(text: str, mend: str = "") -> Said:
    return Said("warning", text, mend)


def grave(text: str, mend: str = "") -> Said:
    return Said("grave", text, mend)


def bad(needed: bool, text: str, mend: str = "") -> Said:
    """Grave where the stack needs it, else a warning."""
    return Said("grave" if needed else "warning", text, mend)


def ordered(results: Iterable[Result]) -> tuple[Result, ...]:
    """Grave ones first; otherwise as the checks came."""
    return tuple(sorted(results, key=lambda one: LEVELS.index(one.level)))


def exit_code(results: Iterable[Result]) -> int:
    return GRAVE if any(one.level == "grave" for one in results) else 0
