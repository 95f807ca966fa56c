"""Which models a client may be pointed at: those whose engine speaks its API and whose probe was passed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.client import Client, Connection, Offer
from orchestrator.core.launch import Launch
from orchestrator.core.plan import Plan

CODING = "coding"
"""The role that a client is pointed at before the default one."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """kind: usage (no such model), plan (its engine cannot), probe (not proven)."""

    kind: str
    text: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """left: models that are not offered, with the reason; warnings: of those that are."""

    connection: Connection
    left: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def choose(
    plan: Plan,
    marks: Mapping[str, str],
    client: Client,
    *,
    model: str | None = None,
    key: str | None = None,
    force: bool = False,
) -> Chosen | Refusal:
    """marks: model id -> verified, degraded, failed, untested, none. model: a public name; key: of `endpoint.keys`."""
    name = model or _intended(plan)
    if name is None:
        return Refusal("usage", "several models, and none has a role", f"--model, one of {', '.join(_ids(plan))}")
    if name not in plan.names:
        near = difflib.get_close_matches(name, plan.names, n=1)
        return Refusal("usage", f"no model is called {name}", f"did you mean {near[0]}?" if near else _known(plan))
    first = plan.launch(plan.names[name])
    mark = marks.get(first.model, "untested")
    if refused := _cannot(first, client) or (None if force else _unproven(first, mark, client)):
        return refused
    offers, left = [_offer(first, name, mark, force)], []
    for launch in plan.launches:
        if launch.model == first.model:
            continue
        mark = marks.get(launch.model, "untested")
        reason = _cannot(launch, client) or (None if force else _unproven(launch, mark, client))
        if reason is None:
            offers.append(_offer(launch, launch.model, mark, force))
        else:
            left.append(f"{launch.model} is left out: {reason.text}")
    offered = {plan.names[offer.name] for offer in offers}
    warnings = [f"the tool path of {one} is {marks.get(one)}" for one in offered if marks.get(one) == "degraded"]
    keys = plan.stack.endpoint.keys
    if key is not None and key not in keys:
        return Refusal("usage", f"endpoint.keys has no {key}", f"one of {', '.join(keys)}" if keys else "it has none")
    chosen = keys.get(key or client.name) or next(iter(keys.values()), None)
    found = None if chosen is None else ("env", chosen.env) if chosen.env else ("file", chosen.file or "")
    connection = Connection(plan.tag, plan.endpoint, found, tuple(offers))  # type: ignore[arg-type]
    return Chosen(connection, tuple(left), tuple(sorted(warnings)))


def _intended(plan: Plan) -> str | None:
    if CODING in plan.names:
        return plan.names[CODING]
    return plan.default or (plan.launches[0].model if len(plan.launches) == 1 else None)


def _cannot(launch: Launch, client: Client) -> Refusal | None:
    """What no --force mends."""
    if "chat" not in launch.capabilities:
        return Refusal(
            "usage", f"{launch.model} is no chat model ({', '.join(launch.capabilities)})", "--model names one"
        )
    if client.api and client.api not in launch.native:
        why = f"{client.title} speaks {client.api} only, and {launch.backend}, which serves {launch.model}, has none"
        return Refusal("plan", why, f"a source of a backend that serves {client.api} (docs/clients.md)")
    return None


def _unproven(launch: Launch, mark: str, client: Client) -> Refusal | None:
    if mark in ("verified", "degraded") or (mark == "none" and not client.needs_tools):
        return None
    words = {"failed": "failed the probe", "none": "calls no tools"}.get(mark, "is not proven yet")
    mend = f"`stack probe {launch.model}` says why" if mark == "failed" else f"stack up, stack probe {launch.model}"
    return Refusal("probe", f"{launch.model} {words}", f"{mend}; --force connects it all the same")


def _offer(launch: Launch, name: str, mark: str, force: bool) -> Offer:
    serving = launch.serving
    proven = "tools" in launch.capabilities and (force or mark in ("verified", "degraded"))
    return Offer(name, serving.context, serving.max_tokens, proven, "vision" in launch.capabilities)


def _ids(plan: Plan) -> list[str]:
    return [launch.model for launch in plan.launches]


def _known(plan: Plan) -> str:
    return f"one of {', '.join(sorted(plan.names)[:10])}" if plan.names else "the plan has no models"
