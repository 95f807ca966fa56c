"""From the name that a client asks for to the launch that answers, and what is set in the request on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core.plan import Plan
from orchestrator.core.wire.edits import LIMITS, Edits, alike

_COUNTING = "/v1/messages/count_tokens"
_LIMIT = {
    "/v1/chat/completions": "max_tokens",
    "/v1/completions": "max_tokens",
    "/v1/messages": "max_tokens",
    "/v1/responses": "max_output_tokens",
}
"""What the length of an answer is called there; newer chat completions have a second name for it."""


@dataclass(frozen=True, slots=True)
class Route:
    """served_name: what to write into the body's `model` for the engine itself; equal to `name` = bytes untouched."""

    name: str
    model: str
    upstream: str
    served_name: str
    fallbacks: tuple[str, ...] = ()


def routes(plan: Plan) -> dict[str, Route]:
    """Every public name of the plan -> its route. An unknown name is simply absent: the gateway's 404."""
    found = {}
    for name, model in plan.names.items():
        launch = plan.launch(model)
        found[name] = Route(name=name, model=model, upstream=launch.url, served_name=launch.served_name)
    return found


def edits(plan: Plan, name: str, path: str) -> Edits:
    """What is set in and taken out of a request to `path` (`/v1/chat/completions`) that asks for `name`.

    `strip` takes out what the client says. A variant's parameters are set whatever it says, `defaults` where it says
    nothing, and a limit of the answer's length where the engine's own would cut it off. Counting tokens takes none.
    """
    model = plan.names[name]
    shape, launch = plan.stack.models[model], plan.launch(model)
    drop = frozenset(shape.strip)
    if path == _COUNTING:
        return Edits(drop=drop)
    put = _named_for(path, shape.variants.get(name, {}))
    taken = {other for key in put for other in alike(key)}
    fill = {key: value for key, value in _named_for(path, shape.defaults).items() if key not in taken}
    if launch.serving.max_tokens is not None and path in launch.limits and not {*put, *fill} & {*LIMITS}:
        fill[_LIMIT[path]] = launch.serving.max_tokens
    return Edits(_json(put), _json(fill), drop)


def _named_for(path: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """The limit under the name that the path knows; left out where an answer has no length in tokens."""
    own = _LIMIT.get(path)
    both = path == "/v1/chat/completions"
    found = {}
    for key, value in values.items():
        if key not in LIMITS or (both and key in LIMITS[:2]):
            found[key] = value
        elif own is not None:
            found[own] = value
    return found


def _json(values: Mapping[str, Any]) -> dict[str, bytes]:
    return {key: json.dumps(value, separators=(",", ":")).encode() for key, value in values.items()}
