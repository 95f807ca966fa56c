"""Plain data -> Stack and every problem at once: those of single values, and of what is left also the cross checks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orchestrator.core.spec import Stack
from orchestrator.core.stackfile.checks import check
from orchestrator.core.trouble import Steps, Trouble

_STAND_IN: dict[str, Any] = {"version": 1, "sources": {"openai": {"url": "http://127.0.0.1/v1"}}}
_STAND_IN["models"] = {"x": {"sources": _STAND_IN["sources"]}}
_ROUNDS = 12
MOST = 200
"""Problems that are told: more would help nobody, and a hostile file must not cost minutes."""


def text_places(error: ValidationError) -> frozenset[Steps]:
    """Where text belongs and something else stands: unquoted, it may be read again in its source form."""
    from orchestrator.core.stackfile.complaints import steps_of

    return frozenset(steps_of(one["loc"]) for one in _told(error) if one["type"] == "string_type")


def explain(data: Any, error: ValidationError) -> tuple[Trouble, ...]:
    """What is wrong with data that is no Stack: every value that was refused, and the cross checks on the rest."""
    from orchestrator.core.stackfile.complaints import trouble

    details = list(_told(error))
    found = [trouble(detail) for detail in details[:MOST]]
    if len(details) > MOST:
        return (*found, Trouble((), f"and {len(details) - MOST} more problems like these"))
    return (*found, *_rest(data, found)[:MOST])


def cross_checks(stack: Stack) -> tuple[Trouble, ...]:
    """What is wrong with a Stack as a whole; () for a good one."""
    return check(stack)[:MOST]


def _told(error: ValidationError) -> Iterator[ErrorDetails]:
    """pydantic's errors, without the list that is "too short" only because its items were refused."""
    details = error.errors(include_url=False)
    places = [detail["loc"] for detail in details]
    for detail in details:
        at = detail["loc"]
        if detail["type"] != "too_short" or not any(len(one) > len(at) and one[: len(at)] == at for one in places):
            yield detail


@dataclass
class _Left:
    """What remains of the data once refused values are taken out. kept: original indexes of lists that lost items."""

    data: Any
    refused: set[Steps] = field(default_factory=set)
    kept: dict[Steps, list[int]] = field(default_factory=dict)

    def original(self, steps: Steps) -> Steps:
        done: Steps = ()
        here: Steps = ()
        for step in steps:
            kept = self.kept.get(here)
            here = (*here, step)
            done = (*done, kept[step] if kept is not None and isinstance(step, int) else step)
        return done

    def take_out(self, steps: Steps) -> None:
        from orchestrator.core.stackfile.complaints import nearest_key

        self.refused.add(self.original(nearest_key(steps)))
        holder, depth = self.data, 0
        for step in steps[:-1]:
            if not _has(holder, step):
                break
            holder, depth = holder[step], depth + 1
        step = steps[depth]
        if isinstance(holder, list) and isinstance(step, int) and _has(holder, step):
            del self.kept.setdefault(steps[:depth], list(range(len(holder))))[step]
            del holder[step]
        elif isinstance(holder, dict) and (step in _STAND_IN and depth in (0, 2)):
            holder[str(step)] = _copy(_STAND_IN[str(step)])
        elif isinstance(holder, dict) and step in holder:
            del holder[step]
        elif depth:
            self.take_out(steps[:depth])


def _rest(data: Any, found: list[Trouble]) -> list[Trouble]:
    """The cross checks on what is left; silent about what only follows from a refused value."""
    from orchestrator.core.stackfile.complaints import trouble

    if not isinstance(data, dict):
        return []
    left = _Left(_copy(data))
    for _ in range(_ROUNDS):
        for one in sorted({t.steps for t in found}, key=_last_first):
            left.take_out(one)
        try:
            stack = Stack.model_validate(left.data)
        except ValidationError as error:
            found = [trouble(detail) for detail in _told(error)]
            continue
        return [
            Trouble(left.original(t.steps), t.text, t.mend)
            for t in check(stack)
            if not any(_echo(cause, left) for cause in (t.steps, *t.because))
        ]
    return []


def _echo(cause: Steps, left: _Left) -> bool:
    cause = left.original(cause)
    return any(cause[: len(r)] == r or r[: len(cause)] == cause for r in left.refused)


def _last_first(steps: Steps) -> tuple[Any, ...]:
    """Later list items first, so that taking one out does not move another that is still to go."""
    return tuple((-step, "") if isinstance(step, int) else (0, step) for step in steps)


def _has(holder: Any, step: str | int) -> bool:
    if isinstance(holder, dict):
        return step in holder
    return isinstance(holder, list) and isinstance(step, int) and 0 <= step < len(holder)


def _copy(data: Any) -> Any:
    if isinstance(data, dict):
        return {k: _copy(v) for k, v in data.items()}
    return [_copy(v) for v in data] if isinstance(data, list) else data
