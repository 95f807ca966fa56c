"""The gateway on its sockets."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Sequence

from orchestrator.edge.gateway.client import Client
from orchestrator.edge.gateway.gateway import Gateway

_BACKLOG = 1024
_SWEEP = 1.0
_OTHER_FILES = 128


class Listener:
    """What `serve` started. `close` ends it."""

    def __init__(self, gateway: Gateway, servers: Sequence[asyncio.Server]) -> None:
        self._gateway = gateway
        self._servers = servers
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(_SWEEP, self._sweep)

    async def close(self, grace: float = 5.0) -> None:
        """Takes no more connections, lets answers end for `grace` seconds, then cuts them off."""
        self._gateway.closing = True
        self._timer.cancel()
        for server in self._servers:
            server.close()
        for client in list(self._gateway.clients):
            client.shut(force=False)
        until = self._loop.time() + grace
        while self._gateway.clients and self._loop.time() < until:
            await asyncio.sleep(0.05)
        for client in list(self._gateway.clients):
            client.shut(force=True)
        self._gateway.pools.close()
        self._gateway.judge.close()
        await asyncio.sleep(0)

    def _sweep(self) -> None:
        now = self._gateway.clock()
        for client in list(self._gateway.clients):
            client.sweep(now)
        self._gateway.pools.sweep(now)
        self._timer = self._loop.call_later(_SWEEP, self._sweep)


async def serve(gateway: Gateway, sockets: Sequence[socket.socket]) -> Listener:
    """Listen on bound sockets, in the running loop (uvloop, if it is to be fast). Returns once it does."""
    loop = asyncio.get_running_loop()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files != resource.RLIM_INFINITY:  # each client may need a connection to an engine too
        gateway.room = min(gateway.room, max(1, (files - _OTHER_FILES) // 2))
    servers = [await loop.create_server(lambda: Client(gateway), sock=s, backlog=_BACKLOG) for s in sockets]
    return Listener(gateway, servers)
