"""JSON Schema (draft 2020-12) of stack.yaml, for editors. It knows shapes and ranges; what takes two keys to see, and
YAML's own traps, only `stack check` finds."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.core.fields import MODEL_ID, ROLE, STACK_NAME, VARIABLE
from orchestrator.core.spec import Stack

_EXTENSIONS = {"^x-": {"description": "Yours: stack does not read it (a place for YAML anchors)."}}
_PATTERNS = {("Secret", "env"): VARIABLE, ("Stack", "name"): STACK_NAME}


def schema() -> dict[str, Any]:
    """Built anew from core/spec.py; a dict of JSON values."""
    found = Stack.model_json_schema(mode="validation")
    shapes = {"Stack": found, **found["$defs"]}
    for name, shape in shapes.items():
        shape["patternProperties"] = dict(_EXTENSIONS)
        for key, field in shape["properties"].items():
            if "$ref" in field:
                field.pop("default", None)
                field.setdefault("description", shapes[field["$ref"].rpartition("/")[2]]["description"])
            _simplify(field)
            if pattern := _PATTERNS.get((name, key)):
                next(kind for kind in field["anyOf"] if kind["type"] == "string")["pattern"] = f"^{pattern}$"
    for shape in ("Budget", "Memory"):
        shapes[shape]["properties"]["gpu"]["propertyNames"] = {"pattern": r"^(\d{1,3}|x-.*)$"}
        shapes[shape]["properties"]["gpu"]["patternProperties"] = dict(_EXTENSIONS)
    shapes["Stack"]["properties"]["models"]["propertyNames"] = {"pattern": f"^{MODEL_ID}$"}
    shapes["Model"]["properties"]["roles"]["items"]["pattern"] = f"^{ROLE}$"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **found, "title": "stack.yaml"}


def schema_text() -> str:
    """What `stack schema` prints and docs/stack.schema.json holds."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _simplify(kind: Any) -> None:
    """Maps by backend become properties (editors complete those), maps by index take `x-*` too."""
    if isinstance(kind, list):
        for one in kind:
            _simplify(one)
    if not isinstance(kind, dict):
        return
    for one in list(kind.values()):
        _simplify(one)
    kind.pop("title", None)
    names = kind.get("propertyNames", {})
    if "enum" in names:
        value = kind.pop("additionalProperties")
        del kind["propertyNames"]
        kind |= {"properties": dict.fromkeys(names["enum"], value), "additionalProperties": False}
        kind["patternProperties"] = dict(_EXTENSIONS)
