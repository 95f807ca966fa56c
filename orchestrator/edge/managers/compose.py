"""docker compose: the gateway and every engine in a container each. Compose starts, changes and restarts them; what has
stopped is asked, and taken away, by docker's own API, so that `down` needs neither the file nor the plugin."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.core import containers
from orchestrator.core.plan import Manager as Name
from orchestrator.core.plan import Plan
from orchestrator.core.target import Artifact
from orchestrator.core.targets.compose import GATEWAY, IMAGE
from orchestrator.edge.managers import compose_image, compose_project
from orchestrator.edge.managers.api import Applied, Say
from orchestrator.edge.paths import StackPaths
from orchestrator.edge.run import docker_api
from orchestrator.edge.write import write
from orchestrator.errors import EngineError, PlanError, PortTaken

FILE = "compose.yaml"
FLAPS = 3
"""Restarts without having been healthy, after which nobody waits any more. Docker goes on trying."""
MAPPED = ("name=rootless", "name=userns")
"""docker's words for: a user id inside a container is another one outside."""
TAKEN = ("already allocated", "address already in use")


class Compose:
    name: Name = "compose"

    def __init__(self, paths: StackPaths) -> None:
        self._paths = paths
        self._project = f"stack-{paths.name}"
        self._restarts: dict[str, int] = {}
        self.folder = paths.artifacts / "compose"
        self.manifest = paths.state / "compose.json"

    def check(self, plan: Plan) -> tuple[str, ...]:
        try:
            with docker_api.daemon() as client:
                options = client.info().get("SecurityOptions") or ()
        except EngineError as error:
            raise PlanError(error.text, mend=error.mend) from error
        if any(word in option for option in options for word in MAPPED):
            words = "docker maps user ids here (rootless, userns-remap): the gateway could not write its state"
            raise PlanError(words, mend="a docker without that, or `service: login` instead of compose")
        _command()
        return ()

    def installed(self, artifacts: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
        return tuple(replace(one, path=one.path.removeprefix("compose/")) for one in artifacts)

    def pending(self, artifacts: tuple[Artifact, ...]) -> tuple[str, ...]:
        return ()

    def apply(self, artifacts: tuple[Artifact, ...], say: Say, *, force: bool = False) -> Applied:
        wanted = compose_project.services(next(one.text for one in artifacts if one.path == FILE))
        write(artifacts, self.folder, self.manifest, force=force)
        compose_project.make_folder(self._paths.socket.parent)
        with docker_api.daemon() as client:
            compose_project.refuse(client, self._project, self._paths.name, wanted)
            for key, service in wanted.items():
                if key != GATEWAY:
                    compose_project.pull(client, service.image, say)
            compose_image.ensure(client, wanted[GATEWAY].image, say)
            before = self._now(client)
            if missing := len({service.name for service in wanted.values()} - set(before)):
                say(f"making {missing} container{'s' if missing != 1 else ''}")
            self._up(client, wanted)
            after = self._now(client)
            self._restarts = {one.name: int(one.attrs.get("RestartCount", 0)) for one in self._all(client).values()}
        started = tuple(sorted(name for name, when in after.items() if before.get(name) != when))
        return Applied(started, tuple(sorted(set(before) - set(after))))

    def _up(self, client: Any, wanted: Mapping[str, compose_project.Service]) -> None:
        """Raises EngineError in docker's words."""
        what = ("up", "--detach", "--remove-orphans", "--no-build", "--pull", "never")
        argv = (*_command(), "--project-name", self._project, "--file", str(self.folder / FILE), *what)
        env = {key: value for key, value in os.environ.items() if not key.startswith("COMPOSE_")}
        done = subprocess.run(argv, capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL, check=False)
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        why = next(filter(None, map(_refused, self._all(client).values())), "")  # compose's own exit code may be 0 then
        if done.returncode == 0 and not why:
            return
        why = why or (lines[-1] if lines else f"exit code {done.returncode}")
        if any(words in why for words in TAKEN):
            compose_project.refuse(client, self._project, self._paths.name, wanted)
            raise PortTaken(f"docker compose: {why}", mend="choose another port in stack.yaml")
        if any(words in why.lower() for words in docker_api.NO_GPUS):
            raise PlanError(f"docker cannot give GPUs to containers: {why}", mend=docker_api.GPU_MEND)
        raise EngineError(f"docker compose: {why}", details=tuple(lines[-8:-1]), mend="stack up, once that is mended")

    def stop(self) -> bool:
        with docker_api.daemon() as client:
            return compose_project.stop(client, self._project, containers.STOP)

    def remove(self) -> None:
        with docker_api.daemon() as client:
            compose_project.stop(client, self._project, containers.STOP)
            docker_api.remove_volumes(client, f"{compose_project.PROJECT}={self._project}")
            compose_image.remove(client, IMAGE)
        write((), self.folder, self.manifest, force=True)
        self.manifest.unlink(missing_ok=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def states(self) -> Mapping[str, str]:
        try:
            with docker_api.daemon() as client:
                return {name: _state(container) for name, container in sorted(self._all(client).items())}
        except EngineError as error:
            return {"docker": f"unknown ({error.text})"}

    def why(self, model: str | None) -> str:
        with docker_api.daemon() as client:
            container = self._all(client).get(self._name(model))
            if container is None:
                return f"there is no container {self._name(model)}"
            state = container.attrs["State"]
            if refused := _refused(container):
                return f"docker does not start it: {refused}"
            if container.status in ("exited", "dead"):
                ended = f"its container ended with exit code {state.get('ExitCode')}"
                return ended + (": out of memory" if state.get("OOMKilled") else "")
            again = int(container.attrs.get("RestartCount", 0)) - self._restarts.get(container.name, 0)
            healthy = (state.get("Health") or {}).get("Status") == "healthy"
            return "its container ends again and again" if again >= FLAPS and not healthy else ""

    def verb(self, verb: str, model: str | None) -> None:
        from docker.errors import APIError

        with docker_api.daemon() as client:
            container = self._all(client).get(self._name(model))
            if container is None:
                raise EngineError(f"there is no container {self._name(model)}", mend="stack up --target compose")
            try:
                if verb == "load":
                    container.start()
                elif verb == "unload":
                    container.stop(timeout=containers.STOP)
                else:
                    container.restart(timeout=containers.STOP)
            except APIError as error:
                raise EngineError(f"docker cannot {verb} {container.name}: {error.explanation}") from error

    def logs(self, model: str | None, lines: int, *, follow: bool = False) -> Iterator[str]:
        with docker_api.daemon() as client:
            container = self._all(client).get(self._name(model))
            if container is None:
                return
            kept = b""
            for chunk in container.logs(stream=True, follow=follow, tail=lines):
                *whole, kept = (kept + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in whole)
            if kept:
                yield kept.decode(errors="replace")

    def _name(self, model: str | None) -> str:
        return f"{self._project}-{GATEWAY}" if model is None else containers.name(self._paths.name, model)

    def _all(self, client: Any) -> dict[str, Any]:
        return compose_project.running(client, self._project)

    def _now(self, client: Any) -> dict[str, tuple[str, str]]:
        """Name -> what changes when it is made anew or started."""
        return {name: (one.id, one.attrs["State"]["StartedAt"]) for name, one in self._all(client).items()}


def _refused(container: Any) -> str:
    """Why docker could not start it, in docker's words; "" where it did."""
    return "" if container.status in ("running", "restarting") else str(container.attrs["State"].get("Error", ""))


def _state(container: Any) -> str:
    health = (container.attrs["State"].get("Health") or {}).get("Status", "")
    return f"{container.status} ({health})" if health else str(container.status)


def _command() -> tuple[str, ...]:
    """`docker compose`, or docker-compose by itself; version 2. Raises PlanError."""
    docker = shutil.which("docker")
    alone = shutil.which("docker-compose")
    for argv in (((docker, "compose"),) if docker else ()) + (((alone,),) if alone else ()):
        done = subprocess.run((*argv, "version", "--short"), capture_output=True, text=True, check=False)
        version = re.match(r"v?(\d+)\.", done.stdout)
        if done.returncode == 0 and version and int(version[1]) >= 2:
            return argv
    mend = "install the plugin (docker-compose-plugin of docker's own packages), or docker-compose 2"
    raise PlanError("docker has no compose plugin of version 2 here", mend=mend)
