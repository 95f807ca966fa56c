"""launchd's agents and daemons: a property list for the gateway, for llama-swap if used, and for each resident engine.

Keys and what they mean: launchd.plist(5) of macOS 13 and later. `service: boot` makes LaunchDaemons that run as the
user, everything else makes agents of the user's login. The files are written by plistlib, the format's own library, and
not by a template: what it wrote it reads back, and there is no escaping of ours to get wrong.
"""

from __future__ import annotations

import hashlib
import plistlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.core import containers, said, swap_render
from orchestrator.core.launch import Attach, Container, Launch, Process, marker
from orchestrator.core.plan import Manager, Plan, slug
from orchestrator.core.planner.plan_json import plan_to_json
from orchestrator.core.target import Artifact, Site, Templates
from orchestrator.core.trouble import path
from orchestrator.errors import PlanError, Problem, Unsayable

GATEWAY, SWAP = "gateway", "llama-swap"
EXIT_GATEWAY, EXIT_SWAP, EXIT_ENGINE = 190, 45, 30
"""Seconds between launchd's SIGTERM and its SIGKILL. Above what our own parts take: the daemon drains and stops its
engines (edge/run/session.LEAVE), llama-swap stops its own (edge/run/llama_swap.SHUTDOWN), a container gets
containers.STOP."""
THROTTLE = 10
"""Seconds between two starts of one job, launchd's own default: an engine that cannot start is not reloaded faster."""
FILES = 65536
"""Open files; launchd gives 256. Not for a LaunchDaemon: there the key would set the whole machine's kern.maxfiles."""
BAD = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold, and the carriage return, which its readers turn into a newline."""
NOTE = "<!-- Rendered by stack{}: change stack.yaml, not this file. -->\n"
FOLDERS = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")
BY_PATH = ("/bin/sh", "-c", 'exec "$@"', "stack")
"""launchd looks a bare name up in the system's own folders only: a shell finds it by the PATH below."""
FRESH = ("/bin/sh", "-c", 'docker rm -f "$0" >/dev/null 2>&1; exec "$@"')
"""A container that outlived its killed `docker run` still holds the name."""


class Launchd:
    name = "launchd"
    systems = ("macos",)
    implemented = True
    manager: Manager = "launchd"

    def render(self, plan: Plan, templates: Templates, site: Site) -> tuple[Artifact, ...]:
        swap = swap_render.digest(plan, templates) if plan.supervisor == "llama-swap" else ""
        made = jobs(plan, site, swap)
        # only the gateway is of our own code: another version of it must be started anew, and nothing else
        versions = (site.version, *("" for _ in made[1:]))
        return tuple(
            Artifact(f"launchd/{job['Label']}.plist", text(job, version))
            for job, version in zip(made, versions, strict=True)
        )


TARGET = Launchd()


def text(job: Mapping[str, Any], version: str = "") -> str:
    """As a property list. Without a DOCTYPE: no reader needs it, and some would go to Apple's address for it."""
    head, _, rest = plistlib.dumps(job, sort_keys=False).decode().partition("<!DOCTYPE")
    note = NOTE.format(f" {version}" if version else "")
    return head + note + rest[rest.index("<plist") :]


def jobs(plan: Plan, site: Site, swap: str = "") -> tuple[dict[str, Any], ...]:
    """The gateway's, llama-swap's, then the engines' in the plan's order: what launchd reads, key by key.

    swap: the hash of llama-swap's config, where that is used.
    Raises PlanError with the place of each value that launchd cannot carry.
    """
    engines = [plan.launch(model) for model in plan.managed]
    if problems := [problem for launch in plan.launches for problem in _refused(plan, launch, launch in engines)]:
        raise Unsayable("launchd", problems)
    made = [_gateway(plan, site)]
    if plan.supervisor == "llama-swap":
        made.append(_swap(plan, site, swap))
    made += [_engine(plan, launch, site) for launch in engines]
    for job in made:
        if bad := [value for value in _strings(job) if BAD.search(value)]:
            words = f"{job['Label']}: a property list cannot hold {bad[0]!r}"
            raise PlanError(words, mend="rename that file or folder, or change that variable of your shell")
    return tuple(made)


def label(stack: str, what: str) -> str:
    """What launchd calls a job, and its file: `stack-<name>-gateway`. what: GATEWAY, SWAP or a model's slug."""
    return f"stack-{stack}-{what}"


def log_name(what: str) -> str:
    """Of the stack's log folder: the same as without a service manager."""
    return "daemon.log" if what == GATEWAY else f"{what}.log"


def _gateway(plan: Plan, site: Site) -> dict[str, Any]:
    argv = (*site.stack, "serve", "--plan", f"{site.state}/plan.json", "--name", plan.name)
    digest = hashlib.sha256(plan_to_json(plan).encode()).hexdigest()[:16]  # a changed plan is a changed file
    return _job(plan, site, GATEWAY, argv, {"STACK_PLAN": digest}, EXIT_GATEWAY)


def _swap(plan: Plan, site: Site, digest: str) -> dict[str, Any]:
    assert plan.host.llama_swap is not None
    config = f"{site.state}/artifacts/llama-swap/config.yaml"
    argv = (plan.host.llama_swap.bin, "-config", config, "-listen", f"127.0.0.1:{plan.swap_port}")
    env = {"STACK_RUN": f"{plan.name}/@llama-swap/{digest}", containers.STATE: site.states}
    return _job(plan, site, SWAP, argv, env, EXIT_SWAP)


def _engine(plan: Plan, launch: Launch, site: Site) -> dict[str, Any]:
    env = {**dict(launch.env), "STACK_RUN": marker(plan.name, launch), containers.STATE: site.states}
    how = launch.how
    if isinstance(how, Container):
        name = containers.name(plan.name, launch.model)
        own = {"STACK_RUN": env["STACK_RUN"], containers.STATE: site.states}
        argv: tuple[str, ...] = (*FRESH, name, *containers.run_argv(plan.name, launch))
        return _job(plan, site, slug(launch.model), argv, own, EXIT_ENGINE)
    assert isinstance(how, Process)
    argv = how.argv if how.argv[0].startswith("/") else (*BY_PATH, *how.argv)
    return _job(plan, site, slug(launch.model), argv, env, EXIT_ENGINE, how.cwd)


def _job(
    plan: Plan,
    site: Site,
    what: str,
    argv: tuple[str, ...],
    env: Mapping[str, str],
    patience: int,
    cwd: str | None = None,
) -> dict[str, Any]:
    boot = plan.stack.service == "boot"
    log = f"{site.state}/logs/{log_name(what)}"
    own = (f"{site.home}/.local/bin", f"{site.home}/.docker/bin")
    plain = {"PATH": ":".join((*own, *FOLDERS)), "HOME": site.home, "USER": site.user, "LOGNAME": site.user}
    job: dict[str, Any] = {"Label": label(plan.name, what)}
    if boot:
        job["UserName"] = site.user
    job |= {
        "ProgramArguments": list(argv),
        "EnvironmentVariables": {**plain, **dict(site.env), **env},
        "WorkingDirectory": cwd or site.state,
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": THROTTLE,
        "ProcessType": "Interactive",
        "AbandonProcessGroup": False,
        "ExitTimeOut": patience,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    return job if boot else job | {"SoftResourceLimits": {"NumberOfFiles": FILES}}


def _refused(plan: Plan, launch: Launch, resident: bool) -> Iterable[Problem]:
    """resident: launchd starts it itself; what the gateway starts needs nothing of launchd but its secrets."""
    at = ("models", launch.model)
    if isinstance(launch.how, Attach):
        return
    for name in launch.secret_names:
        yield Problem(
            path(at), f"launchd cannot hand over {name} without writing its value into a file", "service: none"
        )
    if not resident:
        return
    words = "a property list cannot hold this character"
    if bad := [word for word in launch.how.argv if BAD.search(word)]:
        yield Problem(said.argument(plan, launch, bad[0]), f"{words}: {bad[0][:80]!r}")
    for name, value in launch.env:
        if BAD.search(name + value):
            yield Problem(path((*at, "serve", "env", name)), words)
    if isinstance(launch.how, Process) and launch.how.stop:
        text = "launchd ends a job by SIGTERM and knows no command for it"
        yield Problem(f"{launch.source}.stop", text, "leave it out, or `residency: on-demand`")


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (key, *_strings(inner))
