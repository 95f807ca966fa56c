"""Checks of docker: installed, running, reachable by this user, new enough, with compose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from orchestrator.core.doctor.facts import Answer, Docker, Facts, Missing
from orchestrator.core.doctor.need import Need
from orchestrator.core.doctor.result import Said, bad, grave, known, ok, warning

OLDEST_API = (1, 40)
"""Docker 19.03, the first with device requests (`--gpus`)."""
INSTALL = {
    "linux": "install docker from the distribution (docker.io, moby-engine) or from Docker itself",
    "macos": "brew install colima docker && colima start, or Docker Desktop",
}
START = {"linux": "sudo systemctl start docker", "macos": "colima start, or open -a Docker"}


def docker_daemon(facts: Facts, need: Need) -> Iterator[Said]:
    """The command, a daemon that answers, and this user's right to ask it."""
    docker = known(facts.docker)
    system = "linux" if isinstance(facts.host, Missing) else facts.host.system
    if not docker.cli:
        if need.images:
            count = len(need.images)
            yield grave(
                f"docker is not installed, and {count} image{'s' if count > 1 else ''} must run", INSTALL[system]
            )
        return
    server = _server(docker.version)
    if server:
        yield ok(f"docker {server.get('Version', '?')}, API {server.get('ApiVersion', '?')}")
        return
    said = _error(docker.version)
    needed = bool(need.images)
    if "permission denied" in said.lower():
        mend = f"sudo usermod -aG docker {facts.user}, then log in anew"
        if docker.member:
            mend = "log in anew, or `newgrp docker`: you are in the group docker, this session is not yet"
        yield bad(needed, "docker: this user may not talk to its daemon", mend)
    elif "API version" in said:
        mend = "update the older of the two; DOCKER_API_VERSION=... pins the client meanwhile"
        yield bad(needed, f"docker: its client and daemon do not match: {said}", mend)
    else:
        yield bad(needed, f"docker: {said.removeprefix('docker: ')}", START[system])


def docker_api(facts: Facts, need: Need) -> Iterator[Said]:
    """How old the daemon's API is."""
    server = _server(known(facts.docker).version)
    hit = re.fullmatch(r"(\d+)\.(\d+)", str(server.get("ApiVersion", "")))
    if not hit:
        return
    api = (int(hit[1]), int(hit[2]))
    if api < OLDEST_API:
        text = f"docker's API is {hit[0]}: containers get GPUs from {'.'.join(map(str, OLDEST_API))} on"
        yield bad(bool(need.gpu_images), text, "update docker to 19.03 or newer")
    else:
        yield ok(f"API {hit[0]}")


def docker_compose(facts: Facts, need: Need) -> Iterator[Said]:
    """The compose plugin, where docker is there at all."""
    docker = known(facts.docker)
    if not docker.cli:
        return
    if docker.compose:
        yield ok(f"compose {docker.compose}")
    else:
        yield warning("docker has no compose plugin", "install docker-compose-plugin (Ubuntu: docker-compose-v2)")


def info(docker: Docker) -> dict[str, Any]:
    """`docker info`, {} where it could not be had."""
    return _json(docker.info)


def _server(version: Answer | None) -> dict[str, Any]:
    found = _json(version).get("Server")
    return found if isinstance(found, dict) else {}


def _error(version: Answer | None) -> str:
    """The line that is no JSON: docker prints what it knows of the client first."""
    lines = [line.strip() for line in (version.text if version else "").splitlines()]
    return next((line for line in lines if line and not line.startswith("{")), "its daemon does not answer")


def _json(answer: Answer | None) -> dict[str, Any]:
    for line in answer.text.splitlines() if answer is not None else ():
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                return {}
            return found if isinstance(found, dict) else {}
    return {}
