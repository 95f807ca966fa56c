"""llama-swap's config.yaml. Its traps are in docs/llama-swap.md's source, shared/reference/llama-swap.md.

Under our daemon llama-swap only starts, stops and proxies: we decide when, so nothing is preloaded and no ttl runs; it
knows no further names, so that a new one does not change its config, which would stop every engine.
Rendered for use by itself it has the plan's ttl, preloads the residents, and sets in requests what it can of what our
gateway would (core/swap_filters.py). Both times the matrix holds memory.
"""

from __future__ import annotations

import hashlib
import shlex

from orchestrator.core import containers
from orchestrator.core.launch import Attach, Container, Launch, Process, marker
from orchestrator.core.plan import Plan
from orchestrator.core.said import argument
from orchestrator.core.swap_config import Config, Entry, Hooks, Matrix, OnStartup, Router, RouterSettings, Routing
from orchestrator.core.swap_filters import Said, said
from orchestrator.core.swap_versions import OLDEST, UNLOAD_TIMEOUT, known_version
from orchestrator.core.target import Artifact, Templates
from orchestrator.core.trouble import path
from orchestrator.errors import PlanError, Problem, Unsayable

PATH = "llama-swap/config.yaml"
GRACE = 20
"""Seconds between SIGTERM and SIGKILL of an engine, where the version knows `unloadTimeout`."""
HEADROOM = 8
"""Requests beyond concurrency and queue, for the daemon's own: the gateway answers 429 before llama-swap does."""


def artifact(plan: Plan, templates: Templates) -> Artifact:
    """The file. Targets of service managers hash its text: llama-swap's marker holds that. Raises PlanError."""
    values = config(plan).model_dump(by_alias=True, exclude_none=True)
    notes = tuple(note for launch in _ours(plan) for note in _said(plan, launch).notes)
    text = templates("llama-swap/config.yaml.j2", stack=plan.name, config=values, notes=notes)
    return Artifact(PATH, text, notes=notes)


def digest(plan: Plan, templates: Templates) -> str:
    """12 hex digits of the file's text, the last part of llama-swap's STACK_RUN."""
    return hashlib.sha256(artifact(plan, templates).text.encode()).hexdigest()[:12]


def config(plan: Plan) -> Config:
    """The config as values. Attached models are served by the gateway and not here.

    Raises PlanError: nothing to run, a version that is too old, a `${` that llama-swap would take for a macro.
    """
    launches = _ours(plan)
    version = known_version(plan.host.llama_swap)
    problems = [problem for launch in launches for problem in _macros(plan, launch)]
    if not launches:
        raise PlanError("llama-swap has nothing to run: every model is attached")
    if version is not None and version < OLDEST:
        raise PlanError(f"llama-swap v{version} is too old: v{OLDEST} is needed", mend="update llama-swap")
    if problems:
        raise Unsayable("llama-swap", problems)
    alone = _alone(plan)
    preload = [launch.model for launch in launches if launch.serving.residency == "resident" or launch.serving.preload]
    return Config(
        health_check_timeout=max(15, *(launch.ready.timeout for launch in launches)),
        log_level="info" if alone else "warn",  # our daemon asks for /running all the time
        log_to_stdout="both",
        capture_buffer=0,
        send_loading_state=False,
        models={launch.model: _entry(plan, launch, version, alone) for launch in launches},
        routing=_routing(plan, launches),
        hooks=Hooks(on_startup=OnStartup(preload=preload)) if alone and preload else None,
    )


def _ours(plan: Plan) -> list[Launch]:
    """What it starts: under our daemon not what a service manager does."""
    alone = _alone(plan)
    return [one for one in plan.launches if not isinstance(one.how, Attach) and (alone or one.ours)]


def _alone(plan: Plan) -> bool:
    """Used by itself: neither our daemon nor our gateway is there."""
    return plan.supervisor != "llama-swap"


def _said(plan: Plan, launch: Launch) -> Said:
    """Nothing where our gateway applies it."""
    return said(plan.stack.models[launch.model], launch) if _alone(plan) else Said()


def command(argv: tuple[str, ...]) -> str:
    """argv as llama-swap's `cmd`, which is split like a POSIX shell's words, after a look at its lines: one that begins
    with `#` is dropped and a `\\` at the end joins two. So a line break inside an argument is fenced by quotes."""
    return " ".join(shlex.quote(text).replace("\n", "''\n''") for text in argv)


def _entry(plan: Plan, launch: Launch, version: int | None, alone: bool) -> Entry:
    serving, requests = launch.serving, _said(plan, launch)
    names = [name for name, model in plan.names.items() if model == launch.model and name != launch.model]
    names = [name for name in names if name not in requests.silent]
    grace = GRACE if version is not None and version >= UNLOAD_TIMEOUT else None
    return Entry(
        cmd=command(_argv(plan, launch)),
        cmd_stop=_stop(plan, launch, grace),
        proxy=f"http://127.0.0.1:{launch.port}",
        check_endpoint=launch.ready.path,
        ttl=(serving.ttl or 0) if alone else 0,
        concurrency_limit=serving.concurrency + serving.queue + HEADROOM,
        env=[f"{name}={value}" for name, value in sorted(_environment(plan, launch).items())],
        use_model_name=launch.served_name if launch.served_name != launch.model else None,
        aliases=names if alone else [],
        filters=requests.filters,
        unload_timeout=grace,
    )


def _argv(plan: Plan, launch: Launch) -> tuple[str, ...]:
    """A container runs as `docker run` in the foreground: its end is the container's."""
    assert not isinstance(launch.how, Attach)
    return containers.run_argv(plan.name, launch) if isinstance(launch.how, Container) else launch.how.argv


def _stop(plan: Plan, launch: Launch, grace: int | None) -> str | None:
    if isinstance(launch.how, Process):
        return command(launch.how.stop) if launch.how.stop else None
    if not isinstance(launch.how, Container):
        return None
    seconds = containers.OLD_STOP if grace is None else containers.STOP
    return command(containers.stop_argv(plan.name, launch, seconds))


def _environment(plan: Plan, launch: Launch) -> dict[str, str]:
    """Of the process that llama-swap starts. docker hands on what it is told to by name: the secrets."""
    own = {} if isinstance(launch.how, Container) else dict(launch.env)
    secrets = {name: f"${{env.{name}}}" for name in launch.secret_names}
    return {"STACK_RUN": marker(plan.name, launch), **own, **secrets}


def _routing(plan: Plan, launches: list[Launch]) -> Routing:
    """The plan's sets; a model that is in none of them (there are at most 64) gets one with the residents."""
    names = {launch.model: f"m{i}" for i, launch in enumerate(launches)}
    groups = [kept for group in plan.sets if (kept := tuple(model for model in group if model in names))]
    residents = [launch.model for launch in launches if launch.serving.residency == "resident"]
    groups += [(*residents, model) for model in names if not any(model in group for group in groups)]
    sets = {f"s{i}": " & ".join(names[model] for model in group) for i, group in enumerate(groups)}
    matrix = Matrix(vars={short: model for model, short in names.items()}, sets=sets)
    return Routing(router=Router(use="matrix", settings=RouterSettings(matrix=matrix)))


def _macros(plan: Plan, launch: Launch) -> list[Problem]:
    at = ("models", launch.model)
    words = "`${` would be a macro of llama-swap"
    of_env = {f"{name}={value}" for name, value in launch.env}
    argv = [text for text in _argv(plan, launch) if text not in of_env]
    found = []
    if bad := [text for text in argv if "${" in text]:
        found.append(Problem(argument(plan, launch, bad[0]), f"{words}: {bad[0][:80]}"))
    found += [Problem(path((*at, "serve", "env", name)), words) for name, value in launch.env if "${" in name + value]
    return found
