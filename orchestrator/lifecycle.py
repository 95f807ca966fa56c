"""What `up`, `down` and `status` do, for the CLI and the Python API alike."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.core.plan import Manager, Plan
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.run.api import Event
    from orchestrator.pipeline import Prepared

Say = Callable[[str], None]
"""Takes a line that people should see, without a newline."""
Watch = Callable[["Iterable[Event]"], "Mapping[str, Any] | None"]
"""Shows the daemon's events as they come; returns the data of the `done` event, None if the events ended without."""


@dataclass(frozen=True, slots=True)
class Came:
    """What `up` came to. changed: False = it ran like this already; exit: as documented (0, 5, 6); status: what the
    daemon says of itself, empty if it is gone."""

    plan: Plan
    changed: bool
    exit: int
    warnings: tuple[str, ...]
    status: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Left:
    """What `down` ended. swept: processes that a crash had left."""

    was_up: bool
    swept: int


def up(
    prepared: Prepared,
    *,
    force: Iterable[str] = (),
    manager: Manager | None = None,
    quiet: bool = False,
    say: Say,
    watch: Watch,
) -> Came:
    """Plan, pull, start, prove; returns when the stack is ready or cannot be, and leaves it running.

    manager: who is to run it, "" = as `service` says, None = as the last `up` was told, else as `service` says;
    quiet: no progress of pulls on stderr.
    Raises PlanError, EngineError, Drift, LockHeld, Interrupted.
    """
    from orchestrator import pipeline, services
    from orchestrator.edge.control import client as control
    from orchestrator.edge.lock import held
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.run import session

    forced = frozenset(force)
    paths = StackPaths(prepared.loaded.name)
    with held(paths.lock, "stack up"):
        services.refuse_others(paths)
        if manager is None:
            manager = pipeline.asked_before(prepared)
            if manager:
                say(f"{manager} runs it, as the last `up` was told (--target none: our own daemon)")
        session.sweep_tries(paths)
        prepared = pipeline.with_weights(prepared, manager=manager, quiet=quiet)
        plan = pipeline.make_plan(prepared, force=forced, manager=manager)
        pipeline.refuse_unknown_weights(plan)
        for warning in (*plan.warnings, *pipeline.attach(prepared, plan, say, quiet=quiet)):
            say(f"warning: {warning}")
        if prepared.loaded.file.is_file():
            _retire(paths, prepared.loaded.file, say)
        bring_up = services.bring_up if plan.manager else _bring_up
        changed, result = bring_up(plan, paths, say, watch, force=bool(forced))
        result = result or {"exit": 5, "warnings": ["the daemon ended while it was starting"]}
    status = control.status(paths) or {}
    return Came(plan, changed, int(result.get("exit", 5)), tuple(result.get("warnings", ())), status)


def _retire(paths: StackPaths, file: Path, say: Say) -> None:
    """Takes down what is up from this file under the name that it had before."""
    from orchestrator.edge.run import session

    for other in session.former(paths, file):
        say(f"{other.name} was up from this file, which is called {paths.name} now: stopping it")
        session.leave(other, keep_engines=False)
    session.remember(paths, file)


def _bring_up(
    plan: Plan, paths: StackPaths, say: Say, watch: Watch, *, force: bool
) -> tuple[bool, Mapping[str, Any] | None]:
    """(whether anything changed, the `done` event's data; None if the events ended without)."""
    from orchestrator import pipeline, services
    from orchestrator.edge.control import client as control
    from orchestrator.edge.run import session
    from orchestrator.errors import Interrupted

    services.retire(paths, say)
    running = control.status(paths)
    fresh = running is None
    same = running is not None and running["plan"] == pipeline.digest(plan) and not running["stale"]
    if running is None:
        session.end_silent_daemon(paths)
    if not same:
        _could_serve(plan, running)
    pipeline.install(plan, paths, force=force)
    try:
        if running is not None and same:
            if running["settled"] and running["ready"]:
                return False, {"exit": running["exit"], "warnings": running["warnings"]}
            control.call(paths, "POST", "/retry")
        else:
            if running is not None:
                session.leave(paths, keep_engines=True)
            session.start(paths, paths.plan, plan.listen)
        result = watch(control.stream(paths, "GET", "/events"))
    except KeyboardInterrupt:
        stays = not fresh and control.status(paths) is not None
        if not stays:
            say("stack: interrupted, stopping what was started")
            session.leave(paths, keep_engines=False)
            session.sweep(paths)
        raise Interrupted("interrupted" + ("; the daemon goes on (stack status)" if stays else "")) from None
    return not same, result


def _could_serve(plan: Plan, running: dict[str, Any] | None) -> None:
    """What would end a daemon at once is found before the one that runs is told to go. Raises PortTaken, PlanError."""
    from orchestrator.edge import secrets
    from orchestrator.edge.run import container_sweep, ports, session

    secrets.of(plan)
    container_sweep.refuse(plan)
    own = running["pid"] if running is not None else None
    session.check_ports((host, port) for host, port in plan.listen if own is None or ports.holder(port).pid != own)


def down(paths: StackPaths, file: Path, *, uninstall: bool = False) -> Left:
    """Stops everything of this stack, also what a crash left. file: absolute, the stack.yaml that it may be up from
    under another name; uninstall: state and logs go too. Raises LockHeld, EngineError."""
    from orchestrator import services
    from orchestrator.edge.lock import held
    from orchestrator.edge.run import container_sweep, session

    with held(paths.lock, "stack down"):
        was_up = services.stop(paths, uninstall=uninstall)
        was_up |= session.leave(paths, keep_engines=False)
        if not was_up:
            session.end_silent_daemon(paths)
        swept = session.sweep(paths)
        for other in session.former(paths, file):
            was_up |= session.leave(other, keep_engines=False)
    if uninstall:
        container_sweep.remove_volumes(paths.name)
        shutil.rmtree(paths.state, ignore_errors=not paths.state.exists())
        for folder in (paths.state.parent, paths.socket.parent):
            with contextlib.suppress(OSError):  # others of ours live there
                folder.rmdir()
    return Left(was_up, swept)


def status(paths: StackPaths) -> dict[str, Any] | None:
    """What the daemon says of itself; of a stack that is down, its last plan with everything stopped (no `pid`); None
    for one that was never up. units: what its service manager says of each."""
    from orchestrator import services
    from orchestrator.edge.control import client as control

    found = control.status(paths)
    if found is None and paths.plan.exists():
        found = _stopped(paths)
    return None if found is None else found | services.states(paths)


def _stopped(paths: StackPaths) -> dict[str, Any]:
    from orchestrator.core.planner.plan_json import plan_from_json

    plan = plan_from_json(paths.plan.read_text())
    rows = [
        {
            "id": launch.model,
            "backend": launch.backend,
            "owner": launch.owner,
            "state": "external" if launch.owner == "external" else "stopped",
            "pid": None,
            "port": launch.port,
            "tools": "untested" if "tools" in launch.capabilities else "none",
            "probed": None,
        }
        for launch in plan.launches
    ]
    return {"endpoint": plan.endpoint, "ready": False, "supervisor": "none", "models": rows}
