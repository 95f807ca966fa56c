"""Which weights a stack wants on this host: the source that the plan would choose, model by model."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.core.host import Host
from orchestrator.core.planner.select import choose
from orchestrator.core.spec import Stack
from orchestrator.edge.discover import backends
from orchestrator.edge.hub.pull import Wanted
from orchestrator.edge.modelfiles.inspect import inspect
from orchestrator.errors import PlanError, UsageError


def wanted(stack: Stack, host: Host, models: Collection[str] = ()) -> tuple[list[Wanted], list[str]]:
    """(what to have, words about models that cannot run here). models: ids or aliases, () = all.

    Raises UsageError for a name that the stack does not have, PlanError where a named model cannot run here.
    """
    weights = inspect(stack, missing_ok=True)
    found, words = [], []
    for model_id in _ids(stack, models):
        chosen, skipped = choose(stack, host, weights, backends(), model_id, lambda candidate: None)
        if chosen:
            found.append(Wanted(model_id, chosen.source))
            continue
        reasons = [f"{one.source}: {one.reason}" for one in skipped]
        if models:
            raise PlanError(f"{model_id} cannot run on this machine", details=reasons)
        words.append(f"{model_id}: cannot run on this machine: {'; '.join(reasons)}")
    return found, words


def _ids(stack: Stack, models: Collection[str]) -> list[str]:
    names = {name: model_id for model_id, model in stack.models.items() for name in (model_id, *model.aliases)}
    if unknown := [name for name in models if name not in names]:
        raise UsageError(f"the stack has no model {', '.join(unknown)}", mend=f"it has: {', '.join(stack.models)}")
    return list(dict.fromkeys(names[name] for name in models)) or list(stack.models)
