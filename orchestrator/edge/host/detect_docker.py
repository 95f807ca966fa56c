"""docker and compose: versions of what is installed, and whether the daemon answers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
from pathlib import Path

from orchestrator.core.parse_host import docker_version
from orchestrator.edge.host import ask

_PLUGINS = (
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
    "/opt/homebrew/lib/docker/cli-plugins",
    "/Applications/Docker.app/Contents/Resources/cli-plugins",
)
"""Where the docker CLI looks for plugins beside its own configuration folder."""


def docker() -> tuple[str | None, str | None, tuple[str, ...]]:
    """(docker's version, compose's version, problems). The daemon is only asked for a sign of life."""
    cli = shutil.which("docker")
    if not cli:
        return None, None, ()
    plugin = next(
        (
            p
            for folder in (_config() / "cli-plugins", *map(Path, _PLUGINS))
            if (p := folder / "docker-compose").exists()
        ),
        None,
    )
    version = docker_version(ask.version(cli, ("--version",))) or None
    compose = docker_version(ask.version(str(plugin), ("version", "--short"))) or None if plugin else None
    endpoint = _endpoint()
    if endpoint.startswith("unix://") and not _alive(endpoint.removeprefix("unix://")):
        return version, compose, (f"docker: no daemon answers at {endpoint}",)
    return version, compose, ()


def _config() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def _endpoint() -> str:
    """The daemon that the CLI would talk to: DOCKER_HOST, else the current context's, else the default socket."""
    if host := os.environ.get("DOCKER_HOST"):
        return host
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        name = os.environ.get("DOCKER_CONTEXT") or json.loads((_config() / "config.json").read_text())["currentContext"]
        meta = _config() / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
        return str(json.loads(meta.read_text())["Endpoints"]["docker"]["Host"])
    return "unix:///var/run/docker.sock"


def _alive(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(1.0)
        try:
            sock.connect(path)
            sock.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in sock.recv(64)
        except OSError:
            return False
