"""Whether a value fits a JSON Schema, with an eye to clients' tools: a schema may be anything, and deep, and circular.

What it calls a misfit is one by draft 2020-12. Keywords that it does not know (`pattern`, `format`, `not`, `if`) fit,
and `oneOf` is read as `anyOf`: better to miss a misfit than to see one that is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

STEPS = 1000
"""Schemas looked at for one value."""
_DEPTH = 100


class _TooMuch(Exception):
    pass


def fits(value: Any, schema: Any, steps: int = STEPS) -> bool | None:
    """None: it cannot be said, the schema is too large or goes round in circles. value: as json.loads reads it."""
    try:
        return _Reading(schema, steps).fits(value, schema, 0)
    except _TooMuch:
        return None


class _Reading:
    def __init__(self, root: Any, steps: int) -> None:
        self._root = root
        self._left = steps

    def fits(self, value: Any, schema: Any, depth: int) -> bool:
        self._left -= 1
        if self._left < 0 or depth > _DEPTH:
            raise _TooMuch
        if not isinstance(schema, dict):
            return schema is not False
        if value is None and schema.get("nullable") is True:  # OpenAPI's
            return True
        return (
            _typed(value, schema.get("type"))
            and _among(value, schema)
            and _bounded(value, schema)
            and all(self.fits(part, sub, depth + 1) for part, sub in self._parts(value, schema))
            and all(combine(self.fits(value, sub, depth + 1) for sub in subs) for combine, subs in self._unions(schema))
        )

    def _parts(self, value: Any, schema: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
        """Members and elements, each with the schema that is for it."""
        if isinstance(value, dict):
            known = _dict(schema.get("properties"))
            # which keys a pattern covers is not looked at
            rest = True if schema.get("patternProperties") else schema.get("additionalProperties", True)
            for name, member in value.items():
                yield member, known.get(name, rest)
        if isinstance(value, list):
            first = _list(schema.get("prefixItems"))
            yield from zip(value, first, strict=False)
            items = schema.get("items", True)
            if isinstance(items, dict | bool):  # a list is what older drafts call prefixItems
                for element in value[len(first) :]:
                    yield element, items

    def _unions(self, schema: dict[str, Any]) -> Iterator[tuple[Callable[[Iterator[bool]], bool], list[Any]]]:
        if "$ref" in schema:
            yield all, [self._target(schema["$ref"])]
        if subs := _list(schema.get("allOf")):
            yield all, subs
        for key in ("anyOf", "oneOf"):
            if subs := _list(schema.get(key)):
                yield any, subs

    def _target(self, ref: Any) -> Any:
        """What `#/$defs/x` points at; everything fits what is elsewhere."""
        if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
            return True
        found = self._root
        for step in ref.split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or step not in found:
                return True
            found = found[step]
        return found


_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def _typed(value: Any, kinds: Any) -> bool:
    names = kinds if isinstance(kinds, list) else [kinds]
    known = [name for name in names if isinstance(name, str) and (name in _TYPES or name == "integer")]
    return len(known) < len(names) or not names or any(_is(value, name) for name in known)


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, _TYPES[name])


def _among(value: Any, schema: dict[str, Any]) -> bool:
    if "const" in schema and not _same(value, schema["const"]):
        return False
    allowed = schema.get("enum")
    return not isinstance(allowed, list) or any(_same(value, one) for one in allowed)


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _bounded(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, dict):
        if any(isinstance(name, str) and name not in value for name in _list(schema.get("required"))):
            return False
        return _between(len(value), schema, "minProperties", "maxProperties")
    if isinstance(value, list):
        return _between(len(value), schema, "minItems", "maxItems")
    if isinstance(value, str):
        return _between(len(value), schema, "minLength", "maxLength")
    if isinstance(value, int | float) and not isinstance(value, bool):
        below, above = _number(schema.get("exclusiveMinimum")), _number(schema.get("exclusiveMaximum"))
        if (below is not None and value <= below) or (above is not None and value >= above):
            return False
        return _between(value, schema, "minimum", "maximum")
    return True


def _between(size: float, schema: dict[str, Any], least: str, most: str) -> bool:
    low, high = _number(schema.get(least)), _number(schema.get(most))
    return (low is None or size >= low) and (high is None or size <= high)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
