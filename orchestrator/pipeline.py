"""The straight line from stack.yaml to what runs, one short function a stage. Modules are imported where needed."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.core.host import Host
    from orchestrator.core.plan import Manager, Plan
    from orchestrator.core.target import Artifact, Target
    from orchestrator.core.weights import Weights
    from orchestrator.edge.hub.pull import Wanted
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.stackfile.load import Loaded


@dataclass(frozen=True)
class Prepared:
    """All that planning needs. weights: by `weights_key`; foreign: the host and weights come from a file."""

    loaded: Loaded
    host: Host
    weights: Mapping[str, Weights]
    foreign: bool = False


def name_of(file: Path) -> str:
    """The stack's name, for commands that ask what runs. Raises SpecError.

    A stack that is up can be looked at and stopped though its file is broken or gone by now.
    """
    from orchestrator.edge.stackfile.load import load
    from orchestrator.errors import SpecError

    try:
        return load(file).name
    except SpecError:
        name = _likely_name(file)
        if name is None:
            raise
        print(f"warning: {file} is broken (stack check): this is about {name}, which was up from it", file=sys.stderr)
        return name


def _likely_name(file: Path) -> str | None:
    """By a line `name: ...` or the folder; only a name that has a state folder."""
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.stackfile.load import default_name

    try:
        found = re.search(r"^name:[ '\"]*([a-z0-9-]{1,32})[ '\"]*(#.*)?$", file.read_text(errors="replace"), re.M)
    except OSError:
        found = None
    name = found[1] if found else default_name(file.parent.resolve())
    return name if StackPaths(name).plan.exists() else None


def prepare(file: Path, host_file: Path | None = None) -> Prepared:
    """Load, detect (or --host FILE), inspect. Raises SpecError, PlanError."""
    from orchestrator.edge.stackfile.load import load

    return prepare_loaded(load(file), host_file)


def prepare_loaded(loaded: Loaded, host_file: Path | None = None) -> Prepared:
    """The same for a stack that is read already."""
    if host_file is not None:
        host, weights = _read_host(host_file)
        return Prepared(loaded, host, weights or _inspect(loaded, missing_ok=True), foreign=True)
    return Prepared(loaded, _detect(loaded), _inspect(loaded))


def wanted(prepared: Prepared, manager: Manager = "") -> tuple[Wanted, ...]:
    """The source of each model that this host would run, whatever memory says. Raises PlanError."""
    from orchestrator.core.trouble import path
    from orchestrator.edge.hub.pull import Wanted

    stack = prepared.loaded.stack
    sources = {
        path(("models", model, "sources", key)): source
        for model, shape in stack.models.items()
        for key, _, source in shape.ordered_sources()
    }
    plan = make_plan(prepared, force=frozenset(stack.models), manager=manager)
    return tuple(Wanted(launch.model, sources[launch.source]) for launch in plan.launches)


def with_weights(prepared: Prepared, *, manager: Manager = "", quiet: bool = False) -> Prepared:
    """Pulls what this host would run and does not have yet, then looks again. Raises PlanError."""
    from orchestrator.core.weights import weights_key
    from orchestrator.edge.hub.pull import pull

    keys = ((item, weights_key(item.source)) for item in wanted(prepared, manager))
    missing = [item for item, key in keys if item.source.repo and key not in prepared.weights]
    if not missing or prepared.foreign:
        return prepared
    pull(missing, quiet=quiet)
    return replace(prepared, weights=_inspect(prepared.loaded))


def make_plan(prepared: Prepared, *, force: frozenset[str] = frozenset(), manager: Manager = "") -> Plan:
    """force: models that may exceed memory; manager: who is to run it, "" = as `service` says.

    Raises PlanError with every problem at its line."""
    from orchestrator.core.planner.planning import plan
    from orchestrator.edge.discover import backends
    from orchestrator.edge.host.flags import shipped
    from orchestrator.errors import PlanError

    loaded = prepared.loaded
    try:
        return plan(
            loaded.stack,
            prepared.host,
            prepared.weights,
            name=loaded.name,
            backends=backends(),
            force=force,
            manager=manager,
            where=loaded.source.where,
            lists=shipped(),
        )
    except PlanError as error:
        error.file = _shown(loaded.file)
        raise


def read_plan(file: Path) -> Plan:
    """A plan that was written as JSON. Raises PlanError."""
    from pydantic import ValidationError

    from orchestrator.core.planner.plan_json import plan_from_json
    from orchestrator.errors import PlanError

    try:
        return plan_from_json(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except ValidationError as error:
        raise PlanError(f"{file}: is no plan of this version", mend="`stack plan --json` writes one") from error


def expect_managed(plan: Plan, models: Collection[str]) -> None:
    """Raises PlanError unless a service manager runs exactly these models."""
    from orchestrator.errors import PlanError

    if set(models) != set(plan.managed):
        details = (f"units are declared for: {_listed(models)}", f"the plan wants units for: {_listed(plan.managed)}")
        raise PlanError("the units are not those of the plan", mend="set `residents` to the second", details=details)


def _listed(models: Collection[str]) -> str:
    return ", ".join(sorted(models)) or "no model"


def refuse_unknown_weights(plan: Plan) -> None:
    """Raises PlanError where memory cannot be planned: the plan shows such models, but they may not start."""
    from orchestrator.errors import PlanError, Problem

    if plan.unknown:
        commands = {launch.model for launch in plan.launches if launch.backend == "command"}
        problems = [
            Problem(f"models.{model}", "what it takes of memory is not known", "declare memory.weights or memory.host")
            if model in commands
            else Problem(f"models.{model}", "its weights are not known", "`stack pull`, or declare memory.weights")
            for model in plan.unknown
        ]
        raise PlanError("memory cannot be planned without the weights", problems=problems)


def attach(prepared: Prepared, plan: Plan, say: Callable[[str], None], *, quiet: bool = False) -> tuple[str, ...]:
    """Asks the attached servers that can tell whether they can do what the plan says; Ollama pulls what it lacks and
    loads its residents. Returns warnings. Raises PlanError, EngineError."""
    from orchestrator.edge.stackfile.load import placed
    from orchestrator.errors import PlanError

    if not any(launch.owner == "external" for launch in plan.launches):
        return ()
    from orchestrator.edge.attached.check import check

    try:
        return check(plan.launches, say, quiet=quiet)
    except PlanError as error:
        error.problems, error.file = placed(prepared.loaded.source, error.problems), _shown(prepared.loaded.file)
        raise


def render(plan: Plan, target: Target) -> tuple[Artifact, ...]:
    """Raises PlanError when this plan cannot be said in this target."""
    from orchestrator.edge import site, templates

    return target.render(plan, templates.render, site.here(plan.name))


def asked_before(prepared: Prepared) -> Manager:
    """The `--target` of the last `up`, where stack.yaml itself names no service; "" for none."""
    from orchestrator.edge import managers
    from orchestrator.edge.paths import StackPaths

    loaded = prepared.loaded
    return managers.asked(StackPaths(loaded.name)) if loaded.stack.service == "none" else ""


def install(plan: Plan, paths: StackPaths, *, force: bool = False, into: Path | None = None) -> str:
    """Writes what the daemon starts from: the plan, and llama-swap's config if used. Returns the plan's digest.

    into: a folder to write it into instead of the stack's own. Raises Drift when a rendered file was edited by hand.
    """
    from orchestrator.core.planner.plan_json import plan_to_json
    from orchestrator.edge.discover import targets
    from orchestrator.edge.write import replace_file, write

    artifacts = render(plan, targets()[plan.supervisor]) if plan.supervisor == "llama-swap" else ()
    state = into or paths.state
    write(artifacts, state / paths.artifacts.name, state / "artifacts.json", force=force)
    replace_file(state / paths.plan.name, plan_to_json(plan).encode(), 0o600)
    return digest(plan)


def digest(plan: Plan) -> str:
    """By which a daemon says what it serves."""
    from orchestrator.core.planner.plan_json import plan_to_json

    return hashlib.sha256(plan_to_json(plan).encode()).hexdigest()[:16]


def _read_host(file: Path) -> tuple[Host, Mapping[str, Weights]]:
    from orchestrator.core.host_json import host_from_json
    from orchestrator.errors import PlanError

    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    host, weights = host_from_json(text, str(file))
    return _with_flags(host), weights


def _with_flags(host: Host) -> Host:
    """Flags that the file leaves out, from the captured list of that very version, if there is one."""
    from orchestrator.edge.host.flags import captured

    engines = {}
    for name, engine in host.engines.items():
        version, flags = captured(name)
        engines[name] = engine if engine.flags or version != engine.version else replace(engine, flags=flags)
    return replace(host, engines=engines)


def _detect(loaded: Loaded) -> Host:
    from orchestrator.edge.host.detect import detect

    with_flags = [model for model in loaded.stack.models.values() if model.serve.extra_args]
    asked = {backend for model in with_flags for _, backend, _ in model.ordered_sources()}
    return detect({str(name): settings for name, settings in loaded.stack.backends.items()}, ask_flags=asked)


def _inspect(loaded: Loaded, *, missing_ok: bool = False) -> Mapping[str, Weights]:
    from orchestrator.edge.modelfiles.inspect import inspect
    from orchestrator.errors import PlanError

    try:
        return inspect(loaded.stack, missing_ok=missing_ok)
    except PlanError as error:
        places = [(problem, loaded.source.where(problem.where)) for problem in error.problems]
        error.problems = tuple(replace(problem, line=line, excerpt=text) for problem, (line, text) in places)
        error.file = _shown(loaded.file)
        raise


def _shown(file: Path) -> str:
    """As a user at this folder would write it."""
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)
