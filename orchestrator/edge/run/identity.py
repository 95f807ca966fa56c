"""Which processes are ours: by the marker STACK_RUN in their environment, and the user, never by a name alone.

A marker is `<stack>/<model>/<launch hash>`; llama-swap's own is `<stack>/@llama-swap/<config hash>`. Children
inherit it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass

import psutil

VARIABLE = "STACK_RUN"
SWAP = "@llama-swap"
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


def find(stack: str) -> list[Ours]:
    """Live processes of this user that carry this stack's marker."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.uids().real != os.getuid():
                continue
            name, _, rest = process.environ().get(VARIABLE, "").partition("/")
            if name != stack or process.status() == psutil.STATUS_ZOMBIE:
                continue
            model, _, digest = rest.rpartition("/")
            leader = os.getpgid(process.pid) == process.pid
            found.append(Ours(process.pid, process.create_time(), model, digest, leader, tuple(process.cmdline())))
    return found


def alive(pid: int, created: float) -> bool:
    """Whether that very process still runs (a pid alone may be somebody else's by now)."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - created) < JITTER and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
