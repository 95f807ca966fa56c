"""The client of the daemon's control socket: HTTP over a unix socket, server-sent events for what takes time."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.edge.paths import StackPaths
from orchestrator.edge.run.api import Event
from orchestrator.errors import EngineError, StackError


class NotRunning(StackError):
    """No daemon answers: the stack is down."""

    exit_code = 5


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _socket(paths: StackPaths) -> Path:
    """Where it is; else where the daemon said that it put it: its environment may have had another runtime folder."""
    if not paths.socket.exists():
        with contextlib.suppress(OSError, ValueError, KeyError):
            return Path(json.loads(paths.daemon.read_text())["socket"])
    return paths.socket


def _open(
    paths: StackPaths, method: str, path: str, body: dict[str, Any] | None, timeout: float | None
) -> http.client.HTTPResponse:
    connection = _Connection(str(_socket(paths)), timeout)
    try:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        return connection.getresponse()
    except (FileNotFoundError, ConnectionRefusedError, ConnectionResetError, http.client.RemoteDisconnected):
        connection.close()
        raise NotRunning(f"{paths.name} is not running", mend="stack up") from None


def call(
    paths: StackPaths, method: str, path: str, body: dict[str, Any] | None = None, timeout: float | None = 30
) -> dict[str, Any]:
    """One request, one JSON answer. Raises NotRunning, and EngineError with the daemon's own words."""
    with _open(paths, method, path, body, timeout) as reply:
        answer = json.loads(reply.read() or b"{}")
        if reply.status >= 400:
            raise EngineError(str(answer.get("error", reply.status)), details=tuple(answer.get("details", ())))
        return dict(answer)


def stream(
    paths: StackPaths, method: str, path: str, body: dict[str, Any] | None = None, timeout: float | None = None
) -> Iterator[Event]:
    """Events until the daemon ends the stream. Raises NotRunning if it dies meanwhile."""
    with _open(paths, method, path, body, timeout) as reply:
        if reply.status >= 400:
            answer = json.loads(reply.read() or b"{}")
            raise EngineError(str(answer.get("error", reply.status)), details=tuple(answer.get("details", ())))
        try:
            for line in reply:
                if line.startswith(b"data: "):
                    yield Event(**json.loads(line[6:]))
        except (http.client.IncompleteRead, ConnectionResetError):
            raise NotRunning(f"{paths.name} went down meanwhile", mend="stack logs") from None


def status(paths: StackPaths) -> dict[str, Any] | None:
    """What the daemon says of itself, None if none runs."""
    try:
        return call(paths, "GET", "/status", timeout=10)
    except NotRunning:
        return None
