"""The tools that a request declares, and whether a call is one of them. Off the hot path, on bytes that are let go."""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Any, Literal
from weakref import WeakSet

from orchestrator.core.wire.json_schema import fits

Verdict = Literal["valid", "unchecked", "unknown_tool", "not_object", "misfit"]
"""unchecked: an object, but what was declared is not known; not_object: the arguments are no JSON object."""

Body = bytes | bytearray
BODY_LIMIT = 2 << 20
"""Bytes of a request that is looked through."""
_ARRAY_LIMIT = 256 << 10
_KEPT, _ALIVE = 16, 2 << 20
"""Declarations that are remembered, as agents send the same ones again and again; bytes of all that are in use."""
_SMALL = 64 << 10
_KEY = b'"tools"'
_ARRAY = re.compile(rb'"tools"[ \t\n\r]*:[ \t\n\r]*(?=\[)')
_DECODER = json.JSONDecoder()


class Declared:
    """tools: name -> schema of its arguments; others: there are tools whose names are not known here; raw: as sent."""

    __slots__ = ("__weakref__", "_others", "_tools", "raw")

    def __init__(self, tools: list[Any], raw: bytes = b"") -> None:
        read = [_named(tool) for tool in tools]
        self._tools = {name: schema for name, schema in read if name}
        self._others = not all(name for name, _ in read)
        self.raw = raw

    def judge(self, name: str, arguments: dict[str, Any]) -> Verdict:
        if name not in self._tools:
            return "unchecked" if self._others else "unknown_tool"
        good = fits(arguments, self._tools[name])
        return "unchecked" if good is None else "valid" if good else "misfit"


NONE = Declared([])


def _named(tool: Any) -> tuple[str, Any]:
    """In chat completions under `function`, in /v1/responses and /v1/messages at the top. ("", _): not a function."""
    if not isinstance(tool, dict):
        return "", None
    inner = tool.get("function", tool)
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        return "", None
    schema = inner.get("parameters", inner.get("input_schema"))
    return inner["name"], True if schema is None else schema


class Declarations:
    """Reads requests. What it reads is shared by all that declare the same, and forgotten with the last of them."""

    def __init__(self) -> None:
        self._recent: deque[Declared] = deque(maxlen=_KEPT)
        self._alive: WeakSet[Declared] = WeakSet()

    def of(self, body: Body) -> Declared | None:
        """body: JSON, with a `tools` array that is not empty. None: not found, or too much to look at."""
        if len(body) > BODY_LIMIT:
            return None
        hits = _arrays(body)
        if len(hits) != 1:
            return _parsed(body) if len(body) <= _SMALL else None
        at = hits[0]
        for known in self._recent:
            if body.startswith(known.raw, at):  # an array says itself where it ends
                return known
        return self._read(bytes(body[at : at + _ARRAY_LIMIT]))

    def _read(self, rest: bytes) -> Declared | None:
        text = rest.decode("utf-8", "surrogateescape")
        try:
            tools, end = _DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            return None
        made = Declared(tools, text[:end].encode("utf-8", "surrogateescape"))
        while self._recent and self._in_use() + len(made.raw) > _ALIVE:
            self._recent.popleft()
        if self._in_use() + len(made.raw) > _ALIVE:
            return None
        self._recent.append(made)
        self._alive.add(made)
        return made

    def _in_use(self) -> int:
        return sum(len(one.raw) for one in self._alive)


def _arrays(body: Body) -> list[int]:
    """Where an array stands under a key `tools`. In a string the quotes would be escaped."""
    hits, at = [], body.find(_KEY)
    while at >= 0:
        if hit := _ARRAY.match(body, at):
            hits.append(hit.end())
        at = body.find(_KEY, at + len(_KEY))
    return hits


def _parsed(body: Body) -> Declared | None:
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return None
    tools = read.get("tools") if isinstance(read, dict) else None
    return Declared(tools) if isinstance(tools, list) else None
