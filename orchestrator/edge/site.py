"""Where this machine's user has things: for what is rendered to run without the user's shell."""

from __future__ import annotations

import os
import pwd
import sys
from importlib.metadata import version
from pathlib import Path

from orchestrator.core.target import Site
from orchestrator.edge.paths import StackPaths, runtime_dir
from orchestrator.edge.run import identity

KEPT = (
    *("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"),
    *("HF_HOME", "HF_HUB_CACHE", "DOCKER_HOST", "DOCKER_CONFIG", "SSL_CERT_FILE"),
)
"""Variables that decide where we, the engines and docker's command line look for things."""


def here(stack: str) -> Site:
    """Of the user who asks."""
    paths = StackPaths(stack)
    account = pwd.getpwuid(os.getuid())
    return Site(
        stack=(sys.executable, "-m", "orchestrator.cli.main"),
        state=str(paths.state),
        states=identity.home(),
        sockets=str(paths.socket.parent),
        home=str(Path.home()),
        config=os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config"),
        user=account.pw_name,
        uid=os.getuid(),
        gid=os.getgid(),
        runtime=runtime_dir(),
        env=tuple((name, os.environ[name]) for name in KEPT if os.environ.get(name)),
        version=version("stack-serve"),
    )
