"""While a stack is up: what attached servers hold in memory, and Ollama told how long to hold it (residency, ttl).

What to send when is decided in core/ollama_api.py. A resident is kept by a lease that is renewed: if we die, Ollama
unloads it by itself. Nothing here is on the way of a request.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from orchestrator.core import ollama_api as api
from orchestrator.core.launch import Attach, Launch
from orchestrator.edge.attached import lm_studio, ollama
from orchestrator.edge.attached.http import WORK, Server
from orchestrator.edge.run.api import Event
from orchestrator.errors import EngineError

PERIOD = 5.0
"""Seconds between two looks."""
PAUSE = 60.0
"""Seconds before a load that failed is tried again."""
LEAVE = 10.0
"""Seconds that unloading may take when the stack goes down."""


@dataclass
class _Kept:
    launch: Launch
    server: Server
    fresh: bool = True
    sent: float | None = None
    """When it was last told how long to stay, since it was loaded."""
    held: bool = False
    """Unloaded by hand: not loaded again before somebody asks for it."""
    not_before: float = 0.0
    error: str = ""
    failed: str = ""
    """Why it could not be loaded."""
    row: dict[str, Any] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None

    @property
    def resident(self) -> bool:
        return self.launch.serving.residency == "resident"


class Keeper:
    def __init__(
        self, launches: Sequence[Launch], key: Callable[[Launch], str | None], emit: Callable[[Event], None]
    ) -> None:
        makers = {"ollama": ollama.server, "lm-studio": lm_studio.server}
        self._emit = emit
        self._kept = {
            launch.model: _Kept(launch, makers[launch.backend](launch.how, key(launch)))
            for launch in launches
            if isinstance(launch.how, Attach) and launch.backend in makers
        }

    async def run(self) -> None:
        """Until it is cancelled."""
        while self._kept:
            await asyncio.gather(*(self._look(kept) for kept in self._kept.values()))
            await asyncio.sleep(PERIOD)

    def row(self, model: str) -> dict[str, Any]:
        """What `status` adds for this model: {} where nothing is known of its server.

        {"attached": {"server", "loaded", "memory", "gpu_memory", "context", "until"}, "error"}: bytes, tokens, a time
        in ISO 8601; None = the server does not say.
        """
        kept = self._kept.get(model)
        if kept is None or not (kept.row or kept.error):
            return {}
        return {"attached": {"server": kept.server.words, **kept.row}, "error": kept.error}

    async def verb(self, verb: str, model: str) -> bool:
        """`load`, `unload` or `restart`, where the server can be told; False: it cannot. Raises EngineError."""
        kept = self._kept.get(model)
        if kept is None or kept.launch.backend != "ollama":
            return False
        if verb in ("unload", "restart"):
            kept.held = verb == "unload"
            await self._send(kept, api.Touch(0))
        if verb in ("load", "restart"):
            kept.held = False
            await self._send(kept, api.first_touch(kept.launch.serving) or api.Touch(kept.launch.serving.ttl))
        await self._look(kept)
        return True

    async def close(self, *, keep: bool) -> None:
        """keep: models stay as they are, for the next daemon. Else what we made stay is unloaded."""
        tasks = [kept.task for kept in self._kept.values() if kept.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not keep:
            ours = [kept for kept in self._kept.values() if kept.resident and kept.sent is not None]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVE):
                    sending = (self._send(kept, api.Touch(0)) for kept in ours)
                    await asyncio.gather(*sending, return_exceptions=True)

    async def _look(self, kept: _Kept) -> None:
        error = ""
        try:
            await (self._ollama(kept) if kept.launch.backend == "ollama" else self._lm_studio(kept))
        except EngineError as failed:
            error, kept.row = str(failed), {}
        self._heard(kept, error or kept.row.pop("wrong", "") or kept.failed)

    def _heard(self, kept: _Kept, error: str) -> None:
        if error != kept.error:
            text = error or f"{kept.server.words} answers again"
            self._emit(Event("engine", kept.launch.model, text, {"state": "external", "error": error, "details": []}))
        kept.error = error

    async def _lm_studio(self, kept: _Kept) -> None:
        rows = lm_studio.rows(kept.server, *await kept.server.ask_async("GET", lm_studio.MODELS))
        row = next((row for row in rows if row["id"] == kept.launch.served_name), {})
        loaded = row.get("state") == "loaded"
        kept.row = _row(loaded=loaded, context=lm_studio.context_of(row) if loaded else None)
        kept.row["wrong"] = "; ".join(problem.text for problem in lm_studio.problems(kept.launch, rows))

    async def _ollama(self, kept: _Kept) -> None:
        status, reply = await kept.server.ask_async("GET", "/api/ps")
        try:
            row = api.find(api.loaded(reply), kept.launch.served_name)
        except (KeyError, TypeError, ValueError):
            raise kept.server.strange("/api/ps", status) from None
        if row is None:
            kept.sent = None
        kept.row = _row(loaded=False) if row is None else _of(row)
        wanted = kept.launch.serving.context
        if row is not None and row.context and wanted and row.context < wanted:
            kept.row["wrong"] = f"Ollama gives it a context of {row.context}, {wanted} is asked for"
        touch = self._touch(kept, loaded=row is not None)
        if touch is not None and kept.task is None:
            kept.task = asyncio.create_task(self._renew(kept, touch))

    def _touch(self, kept: _Kept, *, loaded: bool) -> api.Touch | None:
        serving, fresh, kept.fresh = kept.launch.serving, kept.fresh, False
        if kept.held or self._now() < kept.not_before:
            return None
        if fresh and not loaded:
            return api.first_touch(serving)
        return api.due(serving, loaded=loaded, sent=kept.sent, now=self._now())

    async def _renew(self, kept: _Kept, touch: api.Touch) -> None:
        try:
            await self._send(kept, touch)
        except EngineError as error:
            kept.not_before, kept.failed = self._now() + PAUSE, str(error)
            self._heard(kept, kept.failed)
        finally:
            kept.task = None

    async def _send(self, kept: _Kept, touch: api.Touch) -> None:
        path, body = ollama.request(kept.launch, touch)
        status, reply = await kept.server.ask_async("POST", path, body, timeout=WORK)
        ollama.raise_failed(kept.server, kept.launch, status, reply)
        kept.sent, kept.failed = (self._now() if touch.seconds != 0 else None), ""

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _row(
    *,
    loaded: bool,
    memory: int | None = None,
    gpu_memory: int | None = None,
    context: int | None = None,
    until: str | None = None,
) -> dict[str, Any]:
    return {"loaded": loaded, "memory": memory, "gpu_memory": gpu_memory, "context": context, "until": until}


def _of(row: api.Loaded) -> dict[str, Any]:
    until = None
    if row.expires is not None and row.expires < time.time() + 10 * 365 * 86400:  # else it is for ever
        until = datetime.fromtimestamp(row.expires, UTC).isoformat(timespec="seconds")
    return _row(loaded=True, memory=row.size, gpu_memory=row.vram, context=row.context or None, until=until)
