"""From the name that a client asks for to the launch that answers."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.plan import Plan


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
