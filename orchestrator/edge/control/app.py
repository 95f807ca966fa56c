"""The daemon's control socket: what the CLI asks of it. Only this user can reach it (a 0700 folder)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from orchestrator.core.dialogue.setup import Size
from orchestrator.edge.run.api import EngineDown, Event, QueueFull
from orchestrator.errors import StackError


class Daemon(Protocol):
    def status(self) -> dict[str, Any]: ...
    def watch(self) -> AsyncIterator[Event]: ...
    def probe(self, model: str, size: Size) -> AsyncIterator[Event]: ...
    async def verb(self, verb: str, model: str) -> None: ...
    def retry(self) -> None: ...
    def leave(self, *, keep_engines: bool) -> None: ...


def _problem(error: StackError | EngineDown | QueueFull) -> dict[str, Any]:
    return {"error": str(error), "details": list(getattr(error, "details", ()))}


async def _lines(events: AsyncIterator[Event]) -> AsyncIterator[str]:
    try:
        async for event in events:
            yield f"data: {json.dumps(asdict(event))}\n\n"
            if event.kind == "done":
                return
    except (StackError, EngineDown, QueueFull) as error:
        failed = Event("done", text=str(error), data={"exit": getattr(error, "exit_code", 5), **_problem(error)})
        yield f"data: {json.dumps(asdict(failed))}\n\n"


def app(daemon: Daemon) -> Starlette:
    async def status(_: Request) -> Response:
        return JSONResponse(daemon.status())

    async def events(_: Request) -> Response:
        return StreamingResponse(_lines(daemon.watch()), media_type="text/event-stream")

    async def probe(request: Request) -> Response:
        body = await request.json()
        found = daemon.probe(body.pop("model"), Size(**body))
        return StreamingResponse(_lines(found), media_type="text/event-stream")

    async def verb(request: Request) -> Response:
        body = await request.json()
        try:
            await daemon.verb(request.path_params["verb"], body["model"])
        except (StackError, EngineDown, QueueFull) as error:
            return JSONResponse(_problem(error), status_code=409)
        return JSONResponse({"ok": True})

    async def retry(_: Request) -> Response:
        daemon.retry()
        return JSONResponse({"ok": True})

    async def leave(request: Request) -> Response:
        body = await request.json()
        # after the answer is out
        asyncio.get_running_loop().call_later(0.05, lambda: daemon.leave(keep_engines=bool(body.get("keep_engines"))))
        return JSONResponse({"ok": True})

    return Starlette(
        routes=[
            Route("/status", status),
            Route("/events", events),
            Route("/probe", probe, methods=["POST"]),
            Route("/retry", retry, methods=["POST"]),
            Route("/leave", leave, methods=["POST"]),
            Route("/{verb:str}", verb, methods=["POST"]),
        ]
    )
