"""systemd's units: a service for the gateway, for llama-swap if used, for each resident engine; a target for all.

Of the user's own systemd, or (systemd-system) of the machine's, whose services then run as the user. Directives:
systemd.service(5), systemd.exec(5), systemd.kill(5) of systemd 249 and later (Ubuntu 22.04 has that). Which hardening
works, and what it does not touch: docs/services.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from orchestrator.core import containers, swap_render
from orchestrator.core.launch import Attach, Container, Launch, Process, marker
from orchestrator.core.plan import Manager, Plan, slug
from orchestrator.core.planner.plan_json import plan_to_json
from orchestrator.core.systemd_text import command, folder_sayable, quoted, sayable
from orchestrator.core.target import Artifact, Site, Templates
from orchestrator.core.trouble import path
from orchestrator.errors import PlanError, Problem, Unsayable

GATEWAY, SWAP = "gateway", "llama-swap"
STOP_GATEWAY, STOP_SWAP, STOP_ENGINE, STOP_CONTAINER = 200, 60, 20, 30
"""Seconds between systemd's SIGTERM and its SIGKILL. Above what our own parts take: the daemon drains and stops its
engines (edge/run/session.LEAVE), llama-swap stops its own (edge/run/llama_swap.SHUTDOWN), an engine is given
edge/run/embedded.GRACE, a container containers.STOP."""
FOLDERS = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Tries:
    """A unit that was started `burst` times within `interval` seconds, `pause` apart, is given up."""

    pause: int
    burst: int
    interval: int


@dataclass(frozen=True, slots=True)
class Unit:
    """A service as the template writes it: every text is escaped by now. name: without `.service`."""

    name: str
    description: str
    start: str
    folder: str
    env: tuple[str, ...]
    kill: str
    patience: int
    pause: int
    burst: int
    interval: int
    hardened: bool
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


class Systemd:
    systems = ("linux",)
    implemented = True

    def __init__(self, name: Manager) -> None:
        self.name: str = name
        self.manager: Manager = name

    def render(self, plan: Plan, templates: Templates, site: Site) -> tuple[Artifact, ...]:
        system = self.manager == "systemd-system"
        if system:
            where = {"HOME": site.home, "XDG_RUNTIME_DIR": site.runtime}
            site = replace(site, env=(*where.items(), *site.env))
        found = units(plan, templates, site)
        target = f"{plan.tag}.target"
        text = templates("systemd/target.j2", stack=plan.name, units=_files(found), system=system)
        made = [Artifact(f"{self.name}/{target}", text)]
        for unit in found:
            # only the gateway is of our own code: another version of it must be started anew, and nothing else
            version = f" {site.version}" if unit.name == unit_name(plan.name, GATEWAY) and site.version else ""
            common = {"stack": plan.name, "target": target, "version": version}
            text = templates("systemd/service.j2", **common, unit=unit, site=site if system else None)
            made.append(Artifact(f"{self.name}/{unit.name}.service", text))
        return tuple(made)


def unit_name(stack: str, what: str) -> str:
    """`stack-<name>-gateway`. what: GATEWAY, SWAP or a model's slug."""
    return f"stack-{stack}-{what}"


def units(plan: Plan, templates: Templates, site: Site) -> tuple[Unit, ...]:
    """The engines' in the plan's order, llama-swap's, the gateway's.

    Raises PlanError with the place of each value that systemd cannot carry.
    """
    engines = [plan.launch(model) for model in plan.managed]
    if problems := [problem for launch in plan.launches for problem in _refused(launch, launch in engines)]:
        raise Unsayable("systemd", problems)
    if bad := [text for text in (site.state, *(value for _, value in site.env)) if not sayable(text)]:
        raise PlanError(
            f"a unit cannot hold {bad[0]!r}", mend="rename that folder, or change that variable of your shell"
        )
    made = [_engine(plan, launch, site) for launch in engines]
    if plan.supervisor == "llama-swap":
        made.append(_swap(plan, swap_render.digest(plan, templates), site))
    return (*made, _gateway(plan, site, _files(made)))


def _files(found: Iterable[Unit]) -> tuple[str, ...]:
    return tuple(f"{unit.name}.service" for unit in found)


def _engine(plan: Plan, launch: Launch, site: Site) -> Unit:
    own = {"STACK_RUN": marker(plan.name, launch), containers.STATE: site.states}
    how, patience = launch.how, max(120, launch.ready.timeout)
    if isinstance(how, Container):
        name = containers.name(plan.name, launch.model)
        return _unit(
            plan,
            site,
            slug(launch.model),
            f"{launch.model}, of the stack {plan.name}",
            containers.run_argv(plan.name, launch),
            own,
            # at boot docker may come up long after the user's units
            tries=Tries(5, 20, max(300, patience)),
            before=(command(("docker", "rm", "--force", name)),),
            stop=(command(containers.stop_argv(plan.name, launch, containers.STOP)),),
            patience=STOP_CONTAINER,
        )
    assert isinstance(how, Process)
    return _unit(
        plan,
        site,
        slug(launch.model),
        f"{launch.model}, of the stack {plan.name}",
        how.argv,
        {**dict(launch.env), **own},
        tries=Tries(2, 5, patience),
        stop=(command(how.stop),) if how.stop else (),
        patience=STOP_ENGINE,
        hardened=_harmless(plan, launch),
        cwd=how.cwd,
    )


def _swap(plan: Plan, digest: str, site: Site) -> Unit:
    assert plan.host.llama_swap is not None
    config = f"{site.state}/artifacts/llama-swap/config.yaml"
    argv = (plan.host.llama_swap.bin, "-config", config, "-listen", f"127.0.0.1:{plan.swap_port}")
    own = {"STACK_RUN": f"{plan.name}/@{SWAP}/{digest}", containers.STATE: site.states}
    return _unit(
        plan,
        site,
        SWAP,
        f"llama-swap, of the stack {plan.name}",
        argv,
        own,
        tries=Tries(2, 10, 120),
        patience=STOP_SWAP,
        hardened=_all_harmless(plan),
    )


def _gateway(plan: Plan, site: Site, after: tuple[str, ...]) -> Unit:
    """`process`: what it started on demand outlives its crash, and the next one adopts it (DESIGN.md, decision 5)."""
    argv = (*site.stack, "serve", "--plan", f"{site.state}/plan.json", "--name", plan.name)
    digest = hashlib.sha256(plan_to_json(plan).encode()).hexdigest()[:16]  # a changed plan is a changed unit
    return _unit(
        plan,
        site,
        GATEWAY,
        f"The gateway of the stack {plan.name}",
        argv,
        {"STACK_PLAN": digest},
        tries=Tries(2, 15, 120),  # at boot an address of the network may come late
        kill="process",
        patience=STOP_GATEWAY,
        hardened=plan.supervisor == SWAP or _all_harmless(plan),
        after=after,
    )


def _unit(
    plan: Plan,
    site: Site,
    what: str,
    description: str,
    argv: tuple[str, ...],
    env: dict[str, str],
    *,
    tries: Tries,
    patience: int,
    kill: str = "mixed",
    hardened: bool = True,
    after: tuple[str, ...] = (),
    before: tuple[str, ...] = (),
    stop: tuple[str, ...] = (),
    cwd: str | None = None,
) -> Unit:
    plain = {"PATH": ":".join((f"{site.home}/.local/bin", *FOLDERS))}
    told = plain | dict(site.env) | env
    return Unit(
        name=unit_name(plan.name, what),
        description=description,
        start=command(argv),
        folder=(cwd or site.state).replace("%", "%%"),
        env=tuple(quoted(f"{name}={value}") for name, value in told.items()),
        kill=kill,
        patience=patience,
        pause=tries.pause,
        burst=tries.burst,
        interval=tries.interval,
        hardened=hardened,
        after=after,
        before=before,
        stop=stop,
    )


def _harmless(plan: Plan, launch: Launch) -> bool:
    """Whether it needs no setuid helper. A user's command may be anything (podman has newuidmap); CUDA starts
    nvidia-modprobe, which makes /dev/nvidia-uvm where nothing has used the GPU since the machine started."""
    return not isinstance(launch.how, Process) or (launch.backend != "command" and not plan.host.gpus)


def _all_harmless(plan: Plan) -> bool:
    """Of what our supervisor starts: children inherit what their parent may not."""
    return all(_harmless(plan, launch) for launch in plan.launches if launch.ours)


def _refused(launch: Launch, resident: bool) -> Iterator[Problem]:
    """resident: systemd starts it itself; what the gateway starts needs nothing of systemd but its secrets."""
    at = ("models", launch.model)
    if isinstance(launch.how, Attach):
        return
    for name in launch.secret_names:
        text = f"systemd cannot hand over {name} without its value being written into a file"
        yield Problem(path(at), text, "service: none")
    if not resident or isinstance(launch.how, Container):
        return  # docker's command line carries its environment as words
    for name, value in launch.env:
        place = path((*at, "serve", "env", name))
        if not NAME.fullmatch(name):
            yield Problem(place, "a unit's variable is of A-Z, a-z, 0-9 and _, and begins with no digit")
        elif not sayable(value):
            yield Problem(place, "a unit's environment cannot hold this character")
    if launch.how.cwd is not None and not folder_sayable(launch.how.cwd):
        yield Problem(launch.source, f"a unit cannot hold this folder: {launch.how.cwd!r}")
