"""compose.yaml: the gateway and one container per model, on a network of their own (facts: the Compose specification).

Compose replaces `$NAME` in every value, so each `$` is written twice; keys of a mapping are left alone. Files of the
host are mounted at the paths that the plan names, so that inside and outside mean the same. Nothing here needs more
than an engine of version 20.10: `healthcheck.start_interval` would need 25.
"""

from __future__ import annotations

import hashlib
from typing import Any

from orchestrator.core import containers
from orchestrator.core.launch import Attach, Container, Launch
from orchestrator.core.plan import Manager, Plan
from orchestrator.core.planner.plan_json import plan_to_json
from orchestrator.core.target import Artifact, Site, Templates
from orchestrator.core.trouble import path
from orchestrator.errors import PlanError, Problem, Unsayable

PATH = "compose/compose.yaml"
GATEWAY = "gateway"
"""The gateway's service: its host name for what shares the network with it."""
IMAGE = "stack-gateway"
GATEWAY_STOP = 30
"""Seconds until docker kills it: more than it takes to end its answers."""
GATEWAY_START = 60
NOTHING: dict[str, Any] = dict.fromkeys(("user", "entrypoint", "folders", "secrets", "gpus", "ipc", "shm_size"), ())
"""What a service may have, for the template."""
ALIVE = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}/healthz', timeout=4)"
"""Its health, asked with what its image has. The images of vLLM and llama.cpp have curl (their Dockerfiles)."""


class Compose:
    name = "compose"
    systems = ("linux",)
    implemented = True
    manager: Manager = "compose"

    def render(self, plan: Plan, templates: Templates, site: Site) -> tuple[Artifact, ...]:
        if plan.host.system != "linux":
            raise PlanError("compose runs engines in containers, which see no GPU on this system", mend="stack up")
        if problems := _problems(plan):
            raise Unsayable("compose", problems)
        text = templates(
            "compose/compose.yaml.j2",
            stack=plan.name,
            project=plan.tag,
            services=[NOTHING | doubled(service) for service in (_gateway(plan, site), *_engines(plan, site))],
            volumes=sorted({source for source, _, _ in _mounts(plan) if containers.mount_type(source) == "volume"}),
            secrets=doubled(_secrets(plan)),
            label=containers.STACK,
            log_driver=containers.LOG_DRIVER,
            log_options=containers.LOG_OPTIONS,
        )
        return (Artifact(PATH, text),)


TARGET = Compose()


def doubled(value: Any) -> Any:
    """The same values with each `$` written twice."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: doubled(inner) for key, inner in value.items()}
    return [doubled(inner) for inner in value] if isinstance(value, list | tuple) else value


def _gateway(plan: Plan, site: Site) -> dict[str, Any]:
    """Its state and its control socket lie where they lie without a container: the command line outside finds both."""
    runtime = _folder(site.sockets)
    files = [mount for mount in _mounts(plan) if mount[2] == "ro"]  # the proofs read a model's template and probe.json
    return {
        "key": GATEWAY,
        "name": f"{plan.tag}-gateway",
        "image": f"{IMAGE}:{site.version}",
        "user": f"{site.uid}:{site.gid}",
        "command": ["serve", "--plan", f"{site.state}/plan.json", "--name", plan.name],
        "environment": {
            "HOME": site.home,
            "STACK_PLAN": hashlib.sha256(plan_to_json(plan).encode()).hexdigest()[:16],
            "XDG_RUNTIME_DIR": runtime,
            "XDG_STATE_HOME": _folder(_folder(site.state)),
        },
        "labels": {containers.STACK: plan.name, containers.USER: str(site.uid)},
        "ports": [_published(host, port, port) for host, port in plan.listen],
        "folders": sorted({"/tmp", runtime}),
        "mounts": [_mount(folder, folder, "rw") for folder in (site.state, site.sockets)] + [_mount(*m) for m in files],
        "secrets": _secrets(plan),
        "health": ["CMD", "python3", "-c", ALIVE.format(port=plan.listen[0][1])],
        "start_period": GATEWAY_START,
        "stop": GATEWAY_STOP,
    }


def _engines(plan: Plan, site: Site) -> list[dict[str, Any]]:
    return [_engine(plan, site, one, one.how) for one in plan.launches if isinstance(one.how, Container)]


def _engine(plan: Plan, site: Site, launch: Launch, how: Container) -> dict[str, Any]:
    name = containers.name(plan.name, launch.model)
    told = containers.environment(plan.name, launch) | {containers.STATE: site.states}
    return {
        "key": name,
        "name": name,
        "image": how.image,
        "entrypoint": list(how.entrypoint),
        "command": list(how.argv),
        "environment": dict(sorted(told.items())),
        "labels": containers.labels(plan.name, launch) | {containers.USER: str(site.uid)},
        "ports": [_published("127.0.0.1", launch.port, how.port)],
        "mounts": [_mount(*mount) for mount in how.mounts],
        "gpus": list(how.gpus),
        "ipc": how.ipc,
        "shm_size": how.shm_size,
        "health": ["CMD", "curl", "-fsS", "-o", "/dev/null", f"http://127.0.0.1:{how.port}{launch.ready.path}"],
        "start_period": launch.ready.timeout,
        "stop": containers.STOP,
    }


def _problems(plan: Plan) -> list[Problem]:
    """A secret of a shell: after a reboot docker starts the containers, and no shell is there."""
    places = {path(("endpoint", "keys", name)): key.env for name, key in plan.stack.endpoint.keys.items() if key.env}
    for launch in plan.launches:
        if isinstance(launch.how, Attach) and launch.how.key is not None and launch.how.key[0] == "env":
            places[f"{launch.source}.key"] = launch.how.key[1]
        if launch.secret_names:
            places[path(("models", launch.model))] = ", ".join(launch.secret_names)
    words = "is in a shell's environment, which the containers have not: write it into a file"
    found = [Problem(at, f"{name} {words}", "{file: PATH}") for at, name in places.items()]
    for host, port in plan.listen:
        if not containers.address(host):
            text = f"docker publishes at addresses, and {host} is a name"
            found.append(Problem("endpoint.listen", text, f"127.0.0.1:{port}, or the address of that name"))
    return found


def _secrets(plan: Plan) -> list[dict[str, str]]:
    """Files that hold keys, each once. Mounted at its own path, which is the one that the plan names."""
    files = [key.file for key in plan.stack.endpoint.keys.values() if key.file]
    attached = [launch.how for launch in plan.launches if isinstance(launch.how, Attach)]
    files += [how.key[1] for how in attached if how.key is not None]
    return [{"name": f"key-{i}", "file": file} for i, file in enumerate(dict.fromkeys(files), 1)]


def _mounts(plan: Plan) -> list[tuple[str, str, str]]:
    found = [mount for one in plan.launches if isinstance(one.how, Container) for mount in one.how.mounts]
    return list(dict.fromkeys(found))


def _mount(source: str, target: str, mode: str) -> dict[str, str]:
    return {"type": containers.mount_type(source), "source": source, "target": target, "mode": mode}


def _published(host: str, outside: int | None, inside: int) -> dict[str, Any]:
    return {"host": containers.address(host), "outside": str(outside), "inside": inside}


def _folder(file: str) -> str:
    return file.rpartition("/")[0] or "/"
