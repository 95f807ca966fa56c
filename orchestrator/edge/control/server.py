"""The control socket's server: uvicorn inside the daemon's loop, without its signal handlers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette


class ControlServer(uvicorn.Server):
    def __init__(self, app: Starlette, listener: socket.socket) -> None:
        super().__init__(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the daemon handles them

    async def start(self) -> None:
        self._task = asyncio.create_task(self.serve(sockets=[self._listener]))

    async def stop(self) -> None:
        self.should_exit = True
        if self._task is not None:
            await asyncio.wait([self._task], timeout=3)
