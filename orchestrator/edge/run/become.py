"""One engine of a plan in the place of this process: for a service manager's unit that cannot hold the argv itself.

Nix's modules declare their units without knowing the plan: `stack exec --plan FILE MODEL` looks it up at start.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from orchestrator.core import containers
from orchestrator.core.launch import Attach, Container, Launch, marker
from orchestrator.core.plan import Plan
from orchestrator.edge import discover, site, templates
from orchestrator.edge.paths import StackPaths
from orchestrator.edge.run import docker_api, identity, ports
from orchestrator.edge.run.process import environment
from orchestrator.edge.write import replace_file
from orchestrator.errors import EngineError, PlanError, UsageError


@dataclass(frozen=True, slots=True)
class Command:
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path


def command(plan: Plan, model: str, paths: StackPaths) -> Command:
    """What runs a resident engine (any of its names), or llama-swap (identity.SWAP).

    Raises UsageError (no such model), PlanError (no service manager runs it), EngineError, PortTaken.
    """
    if model == identity.SWAP:
        return _swap(plan, paths)
    launch = _managed(plan, model)
    if isinstance(launch.how, Container):
        _make_way(plan, launch)
    _free(launch.port, f"model {launch.model}")
    return _command(plan, launch, paths)


def stopping(plan: Plan, model: str, paths: StackPaths) -> Command | None:
    """What ends that engine, where SIGTERM to its process alone does not. Raises UsageError, PlanError, EngineError."""
    if model == identity.SWAP:
        return None
    launch = _managed(plan, model)
    how = launch.how
    assert not isinstance(how, Attach)
    argv = containers.stop_argv(plan.name, launch, containers.STOP) if isinstance(how, Container) else how.stop
    if not argv:
        return None
    made = _command(plan, launch, paths)
    return Command(argv, made.env, made.cwd)


def end_former(plan: Plan) -> tuple[str, ...]:
    """SIGTERM to what a manager started from an earlier plan, which it then starts anew: Nix cannot tell, where it
    declares units, which launches a change touches. Returns the models, or identity.SWAP."""
    wanted = {model: plan.launch(model).hash for model in plan.managed}
    if plan.supervisor == "llama-swap":
        wanted[identity.SWAP] = _swap_config(plan)[1]
    former = [one for one in identity.find(plan.name) if one.leader and wanted.get(one.model, one.hash) != one.hash]
    for one in former:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGTERM)
    return tuple(one.model for one in former)


def become(what: Command) -> NoReturn:
    """Raises EngineError where it cannot be started; else this process is that one from here on."""
    try:
        what.cwd.mkdir(parents=True, exist_ok=True)
        os.chdir(what.cwd)
    except OSError as error:
        raise EngineError(f"{what.cwd} cannot be entered: {error.strerror}") from error
    sys.stdout.flush()
    try:
        os.execvpe(what.argv[0], what.argv, dict(what.env))
    except OSError as error:
        mend = "install it, or plan anew (host.json says where it was)" if isinstance(error, FileNotFoundError) else ""
        raise EngineError(f"{what.argv[0]} cannot be started: {error.strerror}", mend=mend) from error


def _managed(plan: Plan, name: str) -> Launch:
    model = plan.names.get(name)
    if model is None:
        known = ", ".join(launch.model for launch in plan.launches)
        raise UsageError(f"the plan of {plan.name} has no model {name}", mend=f"models: {known}")
    launch = plan.launch(model)
    if launch.owner == "manager":
        return launch
    if launch.owner == "external":
        raise PlanError(f"{model} is served at {launch.url}: there is nothing to start")
    if launch.owner == "compose":
        raise PlanError(f"{model} is a service of docker compose", mend=f"docker compose up {model}")
    mend = "`residency: resident`" if plan.manager else "`service: login` or `boot`"
    raise PlanError(f"{model} is started by the stack itself, and by no service manager", mend=mend)


def _command(plan: Plan, launch: Launch, paths: StackPaths) -> Command:
    how, run = launch.how, marker(plan.name, launch)
    if isinstance(how, Container):
        env = environment(run, (), launch.secret_names) | _docker()
        return Command(containers.run_argv(plan.name, launch), env, paths.state)
    assert not isinstance(how, Attach)
    env = environment(run, launch.env, launch.secret_names)
    return Command(how.argv, env, Path(how.cwd) if how.cwd else paths.state)


def _swap(plan: Plan, paths: StackPaths) -> Command:
    """Its config is written anew each time, to a file of its own: the gateway writes the one that it compares with."""
    if plan.supervisor != "llama-swap" or plan.host.llama_swap is None:
        raise PlanError(f"the plan of {plan.name} does not use llama-swap", mend="`supervisor: llama-swap`")
    _free(plan.swap_port, "llama-swap")
    text, digest = _swap_config(plan)
    config = paths.state / "exec" / "llama-swap.yaml"
    replace_file(config, text.encode())
    argv = (plan.host.llama_swap.bin, "-config", str(config), "-listen", f"127.0.0.1:{plan.swap_port}")
    secrets = sorted({name for launch in plan.launches for name in launch.secret_names})
    return Command(argv, environment(f"{plan.name}/{identity.SWAP}/{digest}", (), secrets) | _docker(), paths.state)


def _swap_config(plan: Plan) -> tuple[str, str]:
    """(its text, the hash by which a running llama-swap is known)."""
    (rendered,) = discover.targets()["llama-swap"].render(plan, templates.render, site.here(plan.name))
    return rendered.text, hashlib.sha256(rendered.text.encode()).hexdigest()[:12]


def _docker() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}


def _free(port: int | None, what: str) -> None:
    if port is not None and not ports.free(port):
        raise ports.taken(port, what)


def _make_way(plan: Plan, launch: Launch) -> None:
    """A `docker run` that was killed leaves its container, which holds the name and the port."""
    from docker.errors import ImageNotFound, NotFound

    assert isinstance(launch.how, Container)
    with docker_api.daemon() as client:
        for container in docker_api.ours(client, plan.name):
            if docker_api.is_ours(container, plan.name, launch.model):
                docker_api.remove(container)
        try:
            raise docker_api.name_taken(client.containers.get(containers.name(plan.name, launch.model)))
        except NotFound:
            pass
        try:
            client.images.get(launch.how.image)
        except ImageNotFound:
            raise docker_api.missing_image(launch.how.image) from None
