"""Whether a call's arguments fit its tool: the small part of JSON Schema that the probe's own tools use."""

from __future__ import annotations

from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


def misfit(arguments: dict[str, Any], tool: dict[str, Any]) -> str:
    """The first thing that does not fit, in words; "" if all fits."""
    parameters = tool["function"].get("parameters") or {}
    properties = parameters.get("properties") or {}
    for name in parameters.get("required") or []:
        if name not in arguments:
            return f"{name} is missing"
    for name, value in arguments.items():
        if name not in properties:
            return f"{name} is not an argument of the tool"
        if not _fits(value, properties[name]):
            return f"{name} is {type(value).__name__}, not {properties[name].get('type')}"
    return ""


def stringified(arguments: dict[str, Any], tool: dict[str, Any]) -> str:
    """The first argument that should be an array or object and is a text of one; "" if none."""
    properties = (tool["function"].get("parameters") or {}).get("properties") or {}
    for name, value in arguments.items():
        if isinstance(value, str) and properties.get(name, {}).get("type") in ("array", "object"):
            return name
    return ""


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    if kind is None:
        return True
    if isinstance(value, bool) and kind != "boolean":
        return False
    if isinstance(value, list) and kind == "array":
        return all(_fits(one, schema.get("items", {})) for one in value)
    return isinstance(value, _TYPES[kind])
