"""Connections to engines: one pool for each base URL, kept alive, last used first."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from orchestrator.edge.gateway.limits import Limits
from orchestrator.edge.gateway.upstream import Connection


@dataclass(slots=True)
class Pool:
    """path: the base's path, `/v1`; host: value of the Host header."""

    address: str
    port: int
    path: str
    host: bytes
    tls: ssl.SSLContext | None
    limits: Limits
    idle: list[Connection] = field(default_factory=list)

    def take(self) -> Connection | None:
        """An idle connection that is still open, or None."""
        while self.idle:
            connection = self.idle.pop()
            if not connection.closing:
                return connection
        return None

    async def connect(self) -> Connection:
        """A fresh one. Raises OSError (also for TLS) and TimeoutError."""
        loop = asyncio.get_running_loop()
        server = self.address if self.tls else None
        async with asyncio.timeout(self.limits.connect):
            _, connection = await loop.create_connection(
                lambda: Connection(self), self.address, self.port, ssl=self.tls, server_hostname=server
            )
        return connection

    def give(self, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        self.idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """The engine closed it while it was idle."""
        if connection in self.idle:
            self.idle.remove(connection)

    def sweep(self, now: float) -> None:
        """Close what has been idle too long: the oldest are in front."""
        patience = self.limits.idle_far if self.tls else self.limits.idle
        while self.idle and now - self.idle[0].idle_since > patience:
            self.idle.pop(0).close()


class Pools:
    """By base URL. Raises ValueError for a base that is no http(s) URL."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pools: dict[str, Pool] = {}
        self._tls: ssl.SSLContext | None = None

    def of(self, base: str) -> Pool:
        pool = self._pools.get(base)
        if pool is None:
            pool = self._pools[base] = self._make(base)
        return pool

    def _make(self, base: str) -> Pool:
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base!r} is not an http or https URL")
        secure = parts.scheme == "https"
        if secure and self._tls is None:
            import httpx  # certificates as for every other request of ours; only an attached https server needs it

            self._tls = httpx.create_ssl_context()
        host = parts.netloc.rpartition("@")[2].encode("idna" if not parts.netloc.isascii() else "ascii")
        port = parts.port or (443 if secure else 80)
        return Pool(parts.hostname, port, parts.path.rstrip("/"), host, self._tls if secure else None, self._limits)

    def sweep(self, now: float) -> None:
        for pool in self._pools.values():
            pool.sweep(now)

    def close(self) -> None:
        for pool in self._pools.values():
            while pool.idle:
                pool.idle.pop().close()
