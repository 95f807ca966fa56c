"""Which processes are ours: by STACK_RUN and STACK_STATE in their environment, and the user, never by a name alone.

A marker is `<stack>/<model>/<launch hash>`; llama-swap's own is `<stack>/@llama-swap/<config hash>`, that of
`stack try` is `<stack>/@try/<model>/<launch hash>` (no model's name begins with @). STACK_STATE is the folder with the
states of this home's stacks: a stack of the same name in another home is not ours. Children inherit both.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

from orchestrator.core.containers import STATE
from orchestrator.edge.host import ask
from orchestrator.edge.paths import state_home

VARIABLE = "STACK_RUN"
SWAP = "@llama-swap"
TRY = "@try/"
JITTER = 2.0
"""Seconds: psutil adds a process's start to the boot time, which the kernel rounds anew each time it is asked."""


@dataclass(frozen=True, slots=True)
class Ours:
    """leader: it leads its session, so it is the process that we started (or llama-swap did) and not a grandchild."""

    pid: int
    created: float
    model: str
    hash: str
    leader: bool
    argv: tuple[str, ...]


def home() -> str:
    """The value of STACK_STATE."""
    return os.path.realpath(state_home())


def find(stack: str) -> list[Ours]:
    """Live processes of this user and home that carry this stack's marker.

    Not what runs inside a container of ours: docker ends that (edge/run/containers.py)."""
    found, own = [], home()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.uids().real != os.getuid():
                continue
            environ = process.environ()
            name, _, rest = environ.get(VARIABLE, "").partition("/")
            if name != stack or environ.get(STATE, own) != own:
                continue
            if process.status() == psutil.STATUS_ZOMBIE or _elsewhere(process.pid):
                continue
            model, _, digest = rest.rpartition("/")
            leader = os.getpgid(process.pid) == process.pid
            found.append(Ours(process.pid, process.create_time(), model, digest, leader, tuple(process.cmdline())))
    return found


def _elsewhere(pid: int) -> bool:
    """Whether it sees other processes than we do. False where a system has no such thing."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid") != os.readlink("/proc/self/ns/pid")
    except OSError:
        return False


@cache
def boot() -> str:
    """What changes with each start of the machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ask.output(["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"])[1].strip()


def alive(pid: int, created: float) -> bool:
    """Whether that very process still runs (a pid alone may be somebody else's by now)."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - created) < JITTER and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
