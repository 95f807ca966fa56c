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
    where = endpoint()
    if not answers(where):
        return version, compose, (f"docker: no daemon answers at {where}",)
    return version, compose, ()


def _config() -> Path:
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def endpoint() -> str:
    """The daemon that the CLI would talk to: DOCKER_HOST, else the current context's, else the default socket."""
    if host := os.environ.get("DOCKER_HOST"):
        return host
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        name = os.environ.get("DOCKER_CONTEXT") or json.loads((_config() / "config.json").read_text())["currentContext"]
        meta = _config() / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
        return str(json.loads(meta.read_text())["Endpoints"]["docker"]["Host"])
    return "unix:///var/run/docker.sock"


def answers(where: str) -> bool:
    """Whether a daemon answers there."""
    return not trouble(where)


def trouble(where: str, timeout: float = 1.0) -> str:
    """Why no daemon answers there; "" if one does. One without a unix socket is not asked here: it counts as there."""
    if not where.startswith("unix://"):
        return ""
    try:
        reply = get(where, "/_ping", timeout)
    except OSError as error:
        return error.strerror or str(error)
    return "" if b" 200 " in reply[:64] else f"it says {reply[:64].decode(errors='replace')!r}"


def get(where: str, path: str, timeout: float = 1.0) -> bytes:
    """What the daemon at a unix socket answers, headers and all. Raises OSError where none does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        sock.connect(where.removeprefix("unix://"))
        sock.sendall(f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        return b"".join(iter(lambda: sock.recv(65536), b""))
