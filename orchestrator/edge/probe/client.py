"""Sends the probe's requests and brings back bytes, times and how each reply ended. Bounded in bytes and in time."""

from __future__ import annotations

import asyncio
import json
import time
from typing import cast

from orchestrator.core.dialogue.ask import Ask
from orchestrator.core.dialogue.reply import Ending, Reply
from orchestrator.edge.probe.post import BadReply, CannotConnect, Head, post

REPLY_LIMIT = 4 << 20
"""Bytes of one reply that are kept; a reply that goes on is cut off there."""
CONNECT_SECONDS = 10.0
BUSY = (429, 503)
TRIES = 4
MARKS = 64
"""Pieces of a reply whose arrival is remembered."""
PAUSE, LONGEST_PAUSE = 1.0, 20.0
"""Seconds between two tries, and the most that a Retry-After may ask for."""


class ProbeClient:
    """One server. base: API root ending in /v1. Every request takes a connection of its own: engines close idle ones
    without notice, and whether they do is not what is tested. Redirects are not followed, proxies not used."""

    def __init__(self, base: str, key: str | None, request_seconds: float) -> None:
        self._headers = {"Accept-Encoding": "identity", "Connection": "close", "Content-Type": "application/json"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._base = base.rstrip("/")
        self._seconds = request_seconds

    async def send(self, ask: Ask) -> Reply:
        """Never raises for what the server does: it is all in the reply. A busy server is asked again a few times."""
        reply = await self._once(ask)
        for _ in range(TRIES - 1):
            if not ask.patient or reply.status not in BUSY:
                break
            after = reply.headers.get("retry-after", "")
            await asyncio.sleep(min(float(after), LONGEST_PAUSE) if after.isdecimal() else PAUSE)
            reply = await self._once(ask)
        return reply

    async def _once(self, ask: Ask) -> Reply:
        body = json.dumps(ask.payload, ensure_ascii=False).encode()
        come, ending, problem = _Come(), "complete", ""
        try:
            async with asyncio.timeout(self._seconds):
                await post(self._base + ask.path, self._headers, body, come, come.take, CONNECT_SECONDS)
        except TimeoutError:
            ending, problem = "deadline", f"{self._seconds:g} s"
        except CannotConnect as error:
            ending, problem = "refused", str(error)
        except BadReply as error:
            ending, problem = "cut", str(error)
        seconds = time.monotonic() - come.started
        told: Ending = "too_large" if come.full else cast(Ending, ending)
        first = come.marks[0][1] if come.marks else seconds
        return Reply(come.status, come.headers, bytes(come.raw), told, problem, seconds, first, tuple(come.marks))


class _Come(Head):
    """What has come so far: it survives the exception that ends the reply."""

    def __init__(self) -> None:
        super().__init__()
        self.started = time.monotonic()
        self.raw = bytearray()
        self.marks: list[tuple[int, float]] = []

    @property
    def full(self) -> bool:
        return len(self.raw) >= REPLY_LIMIT

    def take(self, piece: bytes) -> bool:
        self.raw += piece[: REPLY_LIMIT - len(self.raw)]
        if len(self.marks) < MARKS:
            self.marks.append((len(self.raw), time.monotonic() - self.started))
        return not self.full
