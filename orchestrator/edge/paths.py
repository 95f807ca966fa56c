"""Where things live on this machine (DESIGN.md: Contracts, decisions 4, 9, 10)."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from pathlib import Path

LONGEST = 104
"""Bytes of a unix socket's path: 108 on Linux and 104 on macOS, with the zero at its end."""


def _xdg(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default)


def state_home() -> Path:
    return _xdg("XDG_STATE_HOME", ".local/state") / "stack"


def data_home() -> Path:
    return _xdg("XDG_DATA_HOME", ".local/share") / "stack"


def cache_home() -> Path:
    return _xdg("XDG_CACHE_HOME", ".cache") / "stack"


def engines_home() -> Path:
    """One folder an engine environment: `mlx-lm-0.32.2/`."""
    return data_home() / "engines"


def hub_cache() -> Path:
    """Hugging Face's hub cache, by its own rules (HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME)."""
    if direct := os.environ.get("HF_HUB_CACHE"):
        return Path(direct)
    home = os.environ.get("HF_HOME") or _xdg("XDG_CACHE_HOME", ".cache") / "huggingface"
    return Path(home) / "hub"


def runtime_dir() -> str:
    """logind's own place, where the environment (after `su`, in a unit of the machine's systemd) names none."""
    return os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"


class StackPaths:
    """State of one stack, and its control socket: in the runtime folder, or /tmp where that has too long a path.

    macOS has no runtime folder: there it is beside the states."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = state_home() / name
        self.logs = self.state / "logs"
        self.plan = self.state / "plan.json"
        self.lock = self.state / "lock"
        self.manager = self.state / "manager.json"
        self.daemon = self.state / "daemon.json"
        self.verdicts = self.state / "verdicts.json"
        self.artifacts = self.state / "artifacts"

    @property
    def socket(self) -> Path:
        base = runtime_dir()
        # two HOMEs may hold a stack of the same name
        name = f"stack-{os.getuid()}/{hashlib.sha256(str(self.state).encode()).hexdigest()[:12]}.sock"
        if sys.platform == "darwin":
            return mac_socket(self.state.parent.parent, name)
        usable = os.access(base, os.W_OK) and len(os.fsencode(base)) + len(name) < LONGEST
        return Path(base if usable else tempfile.gettempdir()) / name


def mac_socket(states: Path, name: str) -> Path:
    """Whatever the environment says: a job of launchd's has another than a terminal. Not in $TMPDIR or /tmp, where
    macOS removes each night what nobody opened for three days, and a socket never counts as opened."""
    near = states / name
    return near if len(os.fsencode(near)) < LONGEST else Path("/tmp") / name
