"""What `defaults`, `strip` and `variants` may name: parameters of a request, not the request itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.core.spec import Model
from orchestrator.core.trouble import Steps, Trouble
from orchestrator.core.wire.edits import alike

ITSELF = frozenset(("messages", "prompt", "input", "tools", "query", "documents", "file"))
_WHY = {
    "model": ("`model` is which model is asked for, and no parameter", "a further name goes under `aliases`"),
    "stream": ("`stream` is how the client reads the answer: it must say so itself", ""),
}


def parameter_problems(at: Steps, model: Model) -> Iterator[Trouble]:
    for i, key in enumerate(model.strip):
        yield from _no_parameter((*at, "strip", i), key)
    yield from _values((*at, "defaults"), model.defaults)
    for name, values in model.variants.items():
        yield from _values((*at, "variants", name), values)


def _values(at: Steps, values: Mapping[str, Any]) -> Iterator[Trouble]:
    for i, (key, value) in enumerate(values.items()):
        yield from _no_parameter((*at, key), key)
        if twice := [other for other in list(values)[:i] if other in alike(key)]:
            yield Trouble((*at, key), f"`{key}` and `{twice[0]}` are one parameter", "keep one of them")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            yield Trouble((*at, key), "is no value that JSON can carry", "text, a finite number, true, false, a list")


def _no_parameter(at: Steps, key: str) -> Iterator[Trouble]:
    if key in _WHY:
        yield Trouble(at, *_WHY[key])
    elif key in ITSELF:
        yield Trouble(at, f"`{key}` is the request itself, and no parameter of it")
