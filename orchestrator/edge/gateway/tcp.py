"""Socket options of a connection, whoever opened it."""

from __future__ import annotations

import asyncio
import socket

_IDLE, _INTERVAL, _COUNT = 60, 15, 4
"""A peer that vanished without a word is noticed after two minutes: an answer itself has no time limit."""


def watch(transport: asyncio.Transport) -> None:
    """Ask the kernel to look now and then whether the peer is still there."""
    found = transport.get_extra_info("socket")
    if found is None or found.family not in (socket.AF_INET, socket.AF_INET6):
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", _IDLE), ("TCP_KEEPINTVL", _INTERVAL), ("TCP_KEEPCNT", _COUNT)):
        if hasattr(socket, name):  # macOS has no TCP_KEEPIDLE in Python 3.11
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
