"""`stack try`: what is to be tried, planned beside what runs, and the engine that lives as long as its probe."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from orchestrator import pipeline
from orchestrator.core import tryout
from orchestrator.core.launch import Attach, Launch
from orchestrator.core.plan import Plan
from orchestrator.core.planner.plan_json import plan_from_json
from orchestrator.core.tryout import Wish
from orchestrator.edge.control import client as control
from orchestrator.edge.paths import StackPaths
from orchestrator.edge.run import container_sweep, ephemeral
from orchestrator.edge.stackfile import load
from orchestrator.errors import PlanError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.core.dialogue.ask import Log
    from orchestrator.core.dialogue.findings import Verdict
    from orchestrator.core.dialogue.setup import Size
    from orchestrator.core.spec import Stack
    from orchestrator.edge.probe.probers import ByLaunch, Shows

LOADED = ("starting", "ready", "draining")


@dataclass(frozen=True, slots=True)
class Up:
    """The stack as it runs. loaded: model ids whose engine holds memory now; asleep: those whose engine holds what it
    has for good (tryout.standing)."""

    plan: Plan
    loaded: frozenset[str]
    asleep: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Trial:
    """plan: of the tried launch alone; keep: what stack.yaml would say, from its root; compared: the model runs, so
    there is something to compare with; unloads: the present one must go for the time."""

    model: str
    plan: Plan
    keep: dict[str, Any]
    compared: bool
    unloads: bool

    @property
    def launch(self) -> Launch:
        return self.plan.launches[0]


def up(paths: StackPaths) -> Up | None:
    """None: the stack is down."""
    status = control.status(paths)
    if status is None:
        return None
    plan = plan_from_json(paths.plan.read_text())
    loaded = frozenset(row["id"] for row in status["models"] if row["state"] in LOADED)
    sleepers = {launch.model for launch in plan.launches if launch.serving.residency == "sleep"}
    running = {row["id"] for row in status["models"] if row["pid"] is not None}
    return Up(plan, loaded, frozenset((sleepers & running) - loaded))


def plan(file: Path, stack: Stack, name: str, wish: Wish, now: Up | None, *, instead: bool, quiet: bool) -> Trial:
    """Pulls weights that are not here. stack: the file's, paths as written. Raises UsageError, PlanError."""
    model = tryout.model_of(stack, name)
    source = load.written(file)[1]
    present = _present(load.at(file, stack, source), model, now)
    patch = tryout.change(model, stack.models[model], wish, present.backend if present else "")
    if not patch:
        raise UsageError("there is nothing to try", mend=f"stack try {name} -- FLAGS, or --backend, --context, ...")
    taken = {launch.port for launch in now.plan.launches if launch.port} if now else set()
    taken |= {port for _, port in now.plan.listen} if now else set()
    tried = tryout.changed(
        stack,
        model,
        patch,
        port=ephemeral.free_port(taken),
        context=present.serving.context or None if present and now else None,
    )
    made = _planned(load.at(file, tried, source), wish, quiet)
    launch = replace(made.launches[0], memory=tryout.awake(made.launches[0]))
    made = replace(made, launches=(launch,))
    _launchable(launch, wish)
    container_sweep.refuse(made)
    unloads = instead and now is not None and model in now.loaded | now.asleep
    if now is not None:
        _fits(now, made, model, instead=unloads)
    keep = {"models": {model: patch}}
    runs = now is not None and any(one.model == model for one in now.plan.launches)
    return Trial(model, made, keep, compared=runs, unloads=unloads)


def _present(loaded: load.Loaded, model: str, now: Up | None) -> Launch | None:
    """How it is served now, or would be; None where it cannot be."""
    if now is not None and (running := [one for one in now.plan.launches if one.model == model]):
        return running[0]
    alone = loaded.stack.model_copy(update={"models": {model: loaded.stack.models[model]}})
    try:
        return pipeline.make_plan(pipeline.prepare_loaded(replace(loaded, stack=alone))).launches[0]
    except PlanError:
        return None


def _planned(loaded: load.Loaded, wish: Wish, quiet: bool) -> Plan:
    """Problems with a flag name the command line, where it stands."""
    try:
        prepared = pipeline.with_weights(pipeline.prepare_loaded(loaded), quiet=quiet)
        made = pipeline.make_plan(prepared)
        pipeline.refuse_unknown_weights(made)
    except PlanError as error:
        args = next(iter(loaded.stack.models.values())).serve.extra_args
        mine = len(args) - len(wish.flags)

        def at(where: str) -> str:
            head, _, place = where.rpartition(".")
            if head.endswith(".extra_args") and place.isdecimal() and int(place) >= mine:
                return f"-- {args[int(place)]}"
            return where

        told = [replace(one, where=at(one.where)) for one in error.problems]
        told = [replace(one, line=None, excerpt="") if one.where.startswith("-- ") else one for one in told]
        failed = PlanError("this cannot be tried", mend=error.mend, details=error.details, problems=told)
        failed.file = "command line" if all(one.where.startswith("-- ") for one in told) else error.file
        raise failed from None
    for warning in made.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return made


def _launchable(launch: Launch, wish: Wish) -> None:
    if isinstance(launch.how, Attach):
        raise PlanError(f"{launch.model} is attached: there is no engine of ours to start", mend="--backend NAME")
    if not set(wish.flags) <= set(launch.how.argv):
        raise PlanError(f"{launch.backend} takes no flags: its command line is in stack.yaml")
    if "tools" not in launch.capabilities:
        raise UsageError(f"{launch.model} has no tools to probe", mend=f"models.{launch.model}.capabilities")


def _fits(now: Up, made: Plan, model: str, *, instead: bool) -> None:
    """Raises PlanError where it does not fit beside what is loaded."""
    others = [one for one in now.plan.launches if not (instead and one.model == model)]
    loaded = [one for one in others if one.model in now.loaded]
    loaded += [replace(one, memory=tryout.standing(one)) for one in others if one.model in now.asleep]
    if not (short := tryout.shortage(made.pools, loaded, made.launches[0])):
        return
    others = [one for one in loaded if one.model != model]
    if not instead and not tryout.shortage(made.pools, others, made.launches[0]):
        mend = f"--instead unloads {model} for the time"
    else:
        mend = "; ".join(f"stack unload {one.model}" for one in others) or "a smaller --context"
    raise PlanError(f"{short}, where it was to run", mend=mend)


Waiting = Callable[[str], AbstractContextManager[None]]
"""Shows that something takes its time."""


@dataclass
class Instead:
    """A prober that unloads the present one for the time, and loads it again whatever happens."""

    inner: ByLaunch
    paths: StackPaths
    model: str
    waiting: Waiting
    log: Log = field(init=False)
    key: str | None = field(init=False)
    name: str = field(init=False)
    size: Size = field(init=False)

    def __post_init__(self) -> None:
        self.log, self.key, self.name, self.size = self.inner.log, self.inner.key, self.inner.name, self.inner.size

    def verdict(self, shows: Shows) -> Verdict:
        try:
            self._verb("unload")
            return self.inner.verdict(shows)
        finally:
            self._verb("load")

    def _verb(self, verb: str) -> None:
        with self.waiting(f"{verb} {self.model}"):
            control.call(self.paths, "POST", f"/{verb}", {"model": self.model}, timeout=None)
