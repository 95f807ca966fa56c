"""What `stack doctor` is asked about: the stack.yaml at hand, its plan as far as there is one, and this host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.doctor.facts import UNASKED, Missing, Trouble
from orchestrator.core.doctor.need import Need, Port, need_of
from orchestrator.errors import PlanError, SpecError, StackError

if TYPE_CHECKING:
    from orchestrator.core.host import Host
    from orchestrator.core.plan import Plan
    from orchestrator.edge.hub.pull import Wanted
    from orchestrator.edge.paths import StackPaths
    from orchestrator.pipeline import Prepared

MACHINE = Need(ports=(Port("127.0.0.1", 8484, "the gateway of a stack by default"),))
"""What any stack would ask."""


@dataclass(frozen=True)
class Subject:
    """wanted: sources that would run here and are not downloaded yet."""

    need: Need = MACHINE
    host: Host | Missing = UNASKED
    troubles: tuple[Trouble, ...] = ()
    wanted: tuple[Wanted, ...] = ()
    paths: StackPaths | None = None


def nothing() -> Subject:
    """This machine alone."""
    from orchestrator.edge.host.detect import detect

    return Subject(host=detect())


def subject(file: Path) -> Subject:
    """Whatever is wrong with the file becomes a trouble, and the machine is looked at all the same."""
    from orchestrator import pipeline
    from orchestrator.edge.host.detect import detect
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.stackfile.load import load
    from orchestrator.edge.stacks import locked

    try:
        loaded = load(file)
    except SpecError as error:
        return Subject(host=detect(), troubles=_troubles(error, file))
    paths = StackPaths(loaded.name)
    running = locked(paths.state / "daemon.lock")
    try:
        prepared = pipeline.prepare(file)
    except PlanError as error:
        need = need_of(loaded.stack, loaded.name, None, running=running)
        return Subject(need, detect(loaded.stack.backends), _troubles(error, file), paths=paths)
    plan, troubles = _plan(prepared, file)
    need = need_of(loaded.stack, loaded.name, plan, running=running)
    return Subject(need, prepared.host, troubles, _wanted(prepared) if plan is not None else (), paths)


def _plan(prepared: Prepared, file: Path) -> tuple[Plan | None, tuple[Trouble, ...]]:
    """The plan, or where memory does not hold it the one that it would be, for what it asks of the machine."""
    from orchestrator import pipeline

    try:
        return pipeline.make_plan(prepared), ()
    except PlanError as error:
        troubles = _troubles(error, file)
    try:
        return pipeline.make_plan(prepared, force=frozenset(prepared.loaded.stack.models)), troubles
    except PlanError:
        return None, troubles


def _wanted(prepared: Prepared) -> tuple[Wanted, ...]:
    from orchestrator import pipeline
    from orchestrator.core.weights import weights_key

    found = ((item, weights_key(item.source)) for item in pipeline.wanted(prepared))
    return tuple(item for item, key in found if item.source.repo and key not in prepared.weights)


def _troubles(error: StackError, file: Path) -> tuple[Trouble, ...]:
    """A line each: where, what, mend."""
    problems = getattr(error, "problems", ())
    if not problems:
        return (Trouble(str(error), error.mend),)
    found = []
    for one in problems:
        place = f"{file}:{one.line}" if one.line is not None else str(file)
        found.append(Trouble(": ".join(filter(None, (place, one.where, one.text))), one.mend))
    return tuple(found)
