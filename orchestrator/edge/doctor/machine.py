"""Facts of the machine itself: memory, limits, clock, session, proxies."""

from __future__ import annotations

import contextlib
import getpass
import os
import resource
import sys
import time
from pathlib import Path

import psutil

from orchestrator.core.doctor.facts import Answer, Clock, Files, Memory
from orchestrator.core.doctor.network import PROXIES
from orchestrator.edge.doctor.later import ask

TEXTS = ("/proc/meminfo", "/proc/swaps", "/proc/pressure/memory")


def user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a uid without a name, as in some containers
        return str(os.getuid())


def memory() -> Memory:
    texts = {}
    for name in TEXTS:
        with contextlib.suppress(OSError):
            texts[name] = Path(name).read_text()
    if sys.platform == "darwin":
        answer = ask("sysctl", "vm.swapusage", "kern.memorystatus_vm_pressure_level")
        texts["sysctl"] = answer.text if answer is not None else ""
    now = psutil.virtual_memory()
    return Memory(now.total, now.available, texts)


def files() -> Files:
    soft, hard = (None if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(_OPEN))
    return Files(soft, hard)


_OPEN = resource.RLIMIT_NOFILE


def clock() -> Clock:
    """newest: of the modules of this package, which were written when it was installed or edited."""
    package = Path(__file__).parents[2]
    newest = max(file.stat().st_mtime for file in package.rglob("*.py"))
    return Clock(time.time(), newest, ask("timedatectl", "show", "-p", "NTP", "-p", "NTPSynchronized"))


def environment() -> dict[str, str]:
    """Names of proxy variables, since their values may hold a password; no_proxy with its value."""
    found = {name: "" for name, value in os.environ.items() if name.lower() in PROXIES and value}
    return found | {name: os.environ[name] for name in ("no_proxy", "NO_PROXY") if os.environ.get(name)}


def linger(name: str) -> Answer | None:
    return ask("loginctl", "show-user", name, "--property=Linger")


def metal() -> Answer | None:
    return ask("xcrun", "-sdk", "macosx", "metal", "--version", limit=10) if sys.platform == "darwin" else None
