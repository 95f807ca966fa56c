"""The arguments of a call, decoded as far as a patient client would go, with what was wrong on the way."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.core.dialogue import schema
from orchestrator.core.dialogue.codes import Code
from orchestrator.core.dialogue.reply import Call


@dataclass(frozen=True, slots=True)
class Argued:
    """arguments: {} where they could not be read at all; `defects` then says so."""

    name: str
    arguments: dict[str, Any]
    defects: tuple[tuple[Code, str], ...] = ()

    def __iter__(self) -> Any:
        return iter((self.name, self.arguments))


def argued(call: Call, tool: dict[str, Any] | None) -> Argued:
    """tool None: not one of the declared ones."""
    if not call.arguments.strip() and tool is not None and not tool["function"]["parameters"].get("properties"):
        return Argued(call.name, {}, ((Code.EMPTY_ARGS_LOST, "the arguments are empty text, not {}"),))
    try:
        value = json.loads(call.arguments)
    except (ValueError, RecursionError) as error:
        return _broken(call, f"not JSON: {error}")
    defects: list[tuple[Code, str]] = []
    if isinstance(value, str):
        defects.append((Code.DOUBLE_ENCODED, f"the arguments are JSON in JSON: {call.arguments[:120]}"))
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return _broken(call, "a text")
    if not isinstance(value, dict):
        return _broken(call, f"{type(value).__name__}, not an object")
    if tool is not None and (name := schema.stringified(value, tool)):
        defects.append((Code.NESTED_STRINGIFIED, f"{call.name}: {name} came as text: {str(value[name])[:120]!r}"))
        value = {key: _unstring(one) if key == name else one for key, one in value.items()}
    return Argued(call.name, value, tuple(defects))


def _broken(call: Call, why: str) -> Argued:
    text = f"{call.name}: the arguments are {why}: {call.arguments[:160]!r}"
    return Argued(call.name, {}, ((Code.ARGUMENTS_INVALID, text),))


def _unstring(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def tally(calls: Iterable[tuple[str, dict[str, Any]]]) -> list[str]:
    """Calls in an order of their own, comparable: what matters is which came, not in which order."""
    return sorted(f"{name} {json.dumps(arguments, sort_keys=True)}" for name, arguments in calls)


def loosened(calls: Iterable[Argued], wanted: Iterable[tuple[str, dict[str, Any]]]) -> list[Argued]:
    """Calls whose texts contain what was wanted, as if they were just that: `Paris, France` for `Paris`."""
    return [next((w for w in map(_wished, wanted) if _contains(call, w)), call) for call in calls]


def _wished(call: tuple[str, dict[str, Any]]) -> Argued:
    return Argued(call[0], call[1])


def _contains(call: Argued, wish: Argued) -> bool:
    if call.name != wish.name or call.arguments.keys() != wish.arguments.keys():
        return False
    return all(str(wish.arguments[key]).casefold() in str(value).casefold() for key, value in call.arguments.items())


def show(calls: Iterable[Any]) -> str:
    """`read_cell({"key": "maple-otter-42"})`, for people."""
    text = ", ".join(f"{name}({json.dumps(arguments, ensure_ascii=False)})" for name, arguments in calls)
    return text[:240] or "nothing"
