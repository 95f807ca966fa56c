"""What `up` and `down` do where a service manager runs the stack (systemd, launchd, docker compose)."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.core.target import Artifact
    from orchestrator.edge.managers.api import Say, ServiceManager
    from orchestrator.edge.paths import StackPaths
    from orchestrator.errors import PlanError

ANSWER_S = 90.0
"""For a gateway to answer its control socket after its manager has started it: an image's first start is slow."""


PENDING = "pending"
"""Folder in a stack's state: what `up` would have written, while root has something to type first."""
SOON_S = 10.0
"""For one that its manager has started already, before its ports are taken for somebody else's."""


def render(plan: Plan, manager: ServiceManager) -> tuple[Artifact, ...]:
    """The manager's files, with paths relative to its folder. Raises PlanError."""
    from orchestrator import pipeline
    from orchestrator.edge.discover import targets

    return manager.installed(pipeline.render(plan, targets()[plan.manager]))


def bring_up(plan: Plan, paths: StackPaths, say: Say, watch: Callable[..., Any], *, force: bool) -> tuple[bool, Any]:
    """(whether anything changed, the `done` event's data or None). Raises PlanError, EngineError, PortTaken, Drift:
    what can be found before anything is touched is found then."""
    from orchestrator import pipeline
    from orchestrator.edge import managers, secrets, write
    from orchestrator.edge.control import client as control
    from orchestrator.edge.run import container_sweep, session
    from orchestrator.errors import Interrupted

    manager = managers.of(plan.manager, paths)
    for warning in manager.check(plan):
        say(f"warning: {warning}")
    secrets.of(plan)
    if plan.manager != "compose":  # which pulls its images itself
        container_sweep.refuse(plan)
    artifacts = render(plan, manager)
    if not force:
        write.refuse_drift(artifacts, manager.folder, manager.manifest)
    running = control.status(paths)
    if running is None and plan.manager != "compose":  # which knows its own containers' ports from others'
        if not manager.why(None):  # somebody has just started it: whoever was told what to type
            running = _soon(paths)
        if running is None:
            session.check_ports(plan.listen)
    if plan.manager != "compose":
        _check_engine_ports(plan, manager)
    fresh = running is None or running["manager"] != plan.manager
    if lines := manager.pending(artifacts):
        raise _to_type(plan, paths, running, lines)
    retire(paths, say, keep=plan.manager)
    try:
        pipeline.install(plan, paths, force=force)
        shutil.rmtree(paths.state / PENDING, ignore_errors=True)
        managers.remember(plan.manager, paths, asked=plan.stack.service == "none")
        applied = manager.apply(artifacts, say, force=force)
        if running is not None and not fresh and running["stale"] and not applied.started:
            manager.verb("restart", None)  # it reads its key files once
        return _prove(plan, paths, manager, watch, changed=bool(applied.started or applied.removed))
    except KeyboardInterrupt:
        if fresh:
            say("stack: interrupted, stopping what was started")
            manager.stop()
        goes_on = "" if fresh else "; what ran goes on (stack status)"
        raise Interrupted(f"interrupted{goes_on}") from None


def _to_type(plan: Plan, paths: StackPaths, running: Mapping[str, Any] | None, lines: tuple[str, ...]) -> PlanError:
    """What runs is left alone, and so is the plan that it was started by: both change with what is typed."""
    import shlex

    from orchestrator import pipeline
    from orchestrator.edge import managers
    from orchestrator.edge.managers.staging import TYPED
    from orchestrator.errors import PlanError

    staged = paths.state / PENDING
    pipeline.install(plan, paths, force=True, into=staged)
    first = [shlex.join(("cp", "-R", f"{staged}/.", str(paths.state)))]
    before = managers.remembered(paths)
    others = {running["manager"]} if running is not None else set()
    others |= {before.name} if before is not None else set()
    if others - {plan.manager}:
        first.insert(0, "stack down")
    text = "units of the whole machine are root's to install; nothing has been changed yet"
    return PlanError(text, details=(*first, *lines), mend=TYPED)


def _check_engine_ports(plan: Plan, manager: ServiceManager) -> None:
    """Raises PortTaken where an engine that its manager does not run could not listen: it would be given up after
    some tries, without a word of who is there. Of containers docker says it."""
    from orchestrator.core.launch import Process
    from orchestrator.edge.run import identity, ports

    launches = [plan.launch(model) for model in plan.managed]
    wanted = {one.model: one.port for one in launches if isinstance(one.how, Process)}
    if plan.supervisor == "llama-swap":
        wanted[identity.SWAP] = plan.swap_port
    busy = {model: port for model, port in wanted.items() if port is not None and not ports.free(port)}
    ours = {one.pid for one in identity.find(plan.name)} if busy else set()
    for model, port in busy.items():
        if manager.why(model) and ports.holder(port).pid not in ours:
            raise ports.taken(port, "llama-swap" if model == identity.SWAP else f"model {model}")


def _soon(paths: StackPaths) -> dict[str, Any] | None:
    from orchestrator.edge.control import client as control

    deadline = time.monotonic() + SOON_S
    while (found := control.status(paths)) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _prove(
    plan: Plan, paths: StackPaths, manager: ServiceManager, watch: Callable[..., Any], *, changed: bool
) -> tuple[bool, Any]:
    from orchestrator import pipeline
    from orchestrator.core.plan import CONTAINED
    from orchestrator.edge.control import client as control
    from orchestrator.edge.managers.patience import until_given_up

    status = _answer(paths, manager, pipeline.digest(plan))
    if not changed and status["settled"] and status["ready"]:
        return False, {"exit": status["exit"], "warnings": status["warnings"]}
    if not changed:
        control.call(paths, "POST", "/retry")
    if plan.manager not in CONTAINED:
        return changed, watch(control.stream(paths, "GET", "/events"))
    return changed, watch(until_given_up(lambda: control.stream(paths, "GET", "/events"), plan.managed, manager))


def _answer(paths: StackPaths, manager: ServiceManager, plan: str) -> Mapping[str, Any]:
    """The gateway's status, once it serves that plan. Raises EngineError."""
    from orchestrator.edge.control import client as control
    from orchestrator.errors import EngineError

    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        if (status := control.status(paths)) is not None and status["plan"] == plan and not status["stale"]:
            return status
        if why := manager.why(None):
            details = tuple(manager.logs(None, 10))
            raise EngineError(f"the gateway does not run: {why}", mend="stack logs", details=details)
        time.sleep(0.1)
    details = tuple(manager.logs(None, 10))
    raise EngineError(f"the gateway does not answer within {ANSWER_S:g} s", mend="stack logs", details=details)


def retire(paths: StackPaths, say: Say, *, keep: str = "") -> None:
    """Ends what runs this stack otherwise than through the manager `keep` ("" = our own daemon)."""
    from orchestrator.edge import managers
    from orchestrator.edge.control import client as control
    from orchestrator.edge.run import session

    status = control.status(paths)
    by_itself = status is not None and not status["manager"]
    before = managers.remembered(paths) or (None if by_itself else runs(paths))
    if before is None:
        if keep and by_itself and session.leave(paths, keep_engines=False):
            say(f"it was up by itself: {keep} runs it from now on")
    elif before.name != keep:
        say(f"{before.name} ran it: stopping that")
        before.stop()
        before.remove()
        managers.remember("", paths)


def served_by_others(plan: Plan, paths: StackPaths) -> None:
    """Remembers that units which we did not write run this stack: `up` and `down` leave them alone."""
    from orchestrator.core.plan import slug
    from orchestrator.edge import managers

    if plan.manager in ("systemd", "launchd"):  # podman's units tell themselves
        swap = ("llama-swap",) if plan.supervisor == "llama-swap" else ()
        units = (f"{plan.tag}-{what}" for what in ("gateway", *swap, *map(slug, plan.managed)))
        managers.remember(plan.manager, paths, declared=tuple(units))


def refuse_others(paths: StackPaths) -> None:
    """Raises PlanError where units that somebody else declared run this stack."""
    from orchestrator.edge import managers
    from orchestrator.edge.managers.declared import Declared

    if isinstance(found := managers.remembered(paths), Declared):
        found.refuse()


def runs(paths: StackPaths) -> ServiceManager | None:
    """The manager of this stack, by what its gateway says if it answers (somebody may have typed what starts that one),
    else by what we remember."""
    from orchestrator.edge import managers
    from orchestrator.edge.control import client as control

    found = managers.remembered(paths)
    status = control.status(paths)
    if status is None or status["manager"] in ("", "quadlet") or (found and found.name == status["manager"]):
        return found
    return managers.of(status["manager"], paths)


def stop(paths: StackPaths, *, uninstall: bool) -> bool:
    """Whether a manager ran anything of it."""
    manager = runs(paths)
    if manager is None:
        return False
    was_up = manager.stop()
    if uninstall:
        manager.remove()
    return was_up


def states(paths: StackPaths) -> dict[str, Any]:
    """What `status` adds: the manager, and each of its units in its own words."""
    manager = runs(paths)
    return {} if manager is None else {"manager": manager.name, "units": dict(manager.states())}


def logs(paths: StackPaths, model: str | None, lines: int, *, follow: bool) -> Iterator[str] | None:
    """Of the manager's own; None where they are files of ours. model: an id; None = the gateway."""
    from orchestrator.core.planner.plan_json import plan_from_json
    from orchestrator.edge.run import identity

    manager = runs(paths)
    if manager is None:
        return None
    plan = plan_from_json(paths.plan.read_text()) if model is not None else None
    if plan is not None and model not in plan.managed:
        if plan.supervisor != "llama-swap":
            return None
        model = identity.SWAP  # an engine that it starts writes into its output
    return manager.logs(model, lines, follow=follow)


def verb(paths: StackPaths, verb: str, model: str) -> bool:
    """`load`, `unload`, `restart` of an engine that a manager owns; False where it is our own supervisor's.

    model: any of its names."""
    from orchestrator.core.planner.plan_json import plan_from_json
    from orchestrator.edge.control import client as control

    manager = runs(paths)
    if manager is None or not paths.plan.exists():
        return False
    plan = plan_from_json(paths.plan.read_text())
    if (known := plan.names.get(model)) not in plan.managed:
        return False
    manager.verb(verb, known)
    if verb != "unload":
        with contextlib.suppress(control.NotRunning):  # the gateway forgets that it was given up, and waits for it
            control.call(paths, "POST", "/load", {"model": known}, timeout=None)
    return True
