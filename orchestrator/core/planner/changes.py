"""What `up` would change: a plan against the plan that was written last and what runs of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from orchestrator.core.launch import Attach, Launch
from orchestrator.core.plan import Plan

Action = Literal["unchanged", "start", "restart", "stop", "add", "remove", "write", "edited"]


@dataclass(frozen=True, slots=True)
class Change:
    """add, remove: nothing is started or stopped, but the endpoint gains or loses the model. read: bytes of weights
    that are loaded for it. write, edited: of a service manager's file; lines: what changes in it, `-` and `+` first."""

    subject: str
    action: Action
    reason: str = ""
    read: int = 0
    lines: tuple[str, ...] = ()


RUNNING = ("starting", "ready", "draining")


def changes(
    new: Plan,
    old: Plan | None,
    states: Mapping[str, str] | None,
    *,
    others: Collection[str] = (),
    stale: bool = False,
    anew: str = "",
) -> tuple[Change, ...]:
    """In the new plan's order, then what goes, then the daemon. old: what was written last; states: by model, as the
    daemon says, None = it is not running; others: models whose engine a service manager runs, daemon or not;
    stale: a key file changed since the daemon read it; anew: why the supervisor
    itself starts anew, which takes its engines with it, "" = it does not."""
    before = {launch.model: launch for launch in old.launches} if old else {}
    known = dict.fromkeys(others, "ready") | dict(states or {})
    found = [_one(one, before.get(one.model), known.get(one.model), anew) for one in new.launches]
    kept = {launch.model for launch in new.launches}
    for model in [*before, *(model for model in known if model not in before)]:
        if model not in kept:
            running = known.get(model) in RUNNING
            found.append(Change(model, "stop" if running else "remove", "no longer in stack.yaml"))
    return (*found, _daemon(new, old, states, stale))


def _one(new: Launch, old: Launch | None, state: str | None, anew: str) -> Change:
    read = sum(part.weights for part in new.memory)
    if isinstance(new.how, Attach):
        if old is None:
            return Change(new.model, "add", f"attached: {new.how.url}")
        return Change(new.model, "unchanged" if old == new else "restart", "attached")
    if state in RUNNING:
        if old is None:
            return Change(new.model, "restart", "it runs, but no plan of it is left", read)
        if old.hash != new.hash:
            return Change(new.model, "restart", ", ".join(_differences(old, new)), read)
        if anew:
            return Change(new.model, "restart", anew, read)
        return Change(new.model, "unchanged", "")
    if new.serving.residency == "resident" or new.serving.preload:
        return Change(new.model, "start", "resident" if new.serving.residency == "resident" else "preload", read)
    if old is None:
        return Change(new.model, "add", "starts on demand")
    return Change(new.model, "unchanged", "starts on demand")


def _differences(old: Launch, new: Launch) -> list[str]:
    """What makes the engine another one, in words."""
    words = {"backend": "backend", "served_name": "name in the engine", "port": "port", "env": "environment"}
    found = [
        f"{text}: {getattr(old, key)} -> {getattr(new, key)}" if key in ("backend", "port") else text
        for key, text in words.items()
        if getattr(old, key) != getattr(new, key)
    ]
    if old.weights_digest != new.weights_digest:
        found.append("weights")
    if old.how != new.how:
        found.append("command line")
    return found or ["secrets"]


def _daemon(new: Plan, old: Plan | None, states: Mapping[str, str] | None, stale: bool) -> Change:
    if states is None:
        return Change("gateway", "start", "")
    if stale:
        return Change("gateway", "restart", "a key file changed")
    return Change("gateway", "unchanged") if old == new else Change("gateway", "restart", "the plan differs")
