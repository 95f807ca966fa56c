"""Who holds a TCP port on loopback."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import psutil

from orchestrator.errors import PortTaken


@dataclass(frozen=True, slots=True)
class Holder:
    """pid None: the system does not tell us (another user's process)."""

    pid: int | None
    words: str


def free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now. Lingering TIME_WAIT connections do not count."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def holder(port: int) -> Holder:
    """The process that listens on `port`, in words for an error message."""
    try:
        rows = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS without root: ask our own processes only
        rows = []
    for row in rows:
        if row.status == psutil.CONN_LISTEN and row.laddr and row.laddr.port == port and row.pid:
            try:
                process = psutil.Process(row.pid)
                command = " ".join(process.cmdline())[:120] or process.name()
            except psutil.Error:
                command = "?"
            return Holder(row.pid, f"pid {row.pid} ({command})")
    return Holder(None, "a process that this user may not see")


def taken(port: int, what: str) -> PortTaken:
    """The error for a port that somebody else holds. what: who wanted it, `model tiny` or `the gateway`."""
    who = holder(port)
    mend = f"stop {who.words}, or choose another port in stack.yaml"
    return PortTaken(f"port {port} for {what} is taken by {who.words}", mend=mend)
