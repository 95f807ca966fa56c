"""Sends the probe's requests and brings back bytes, times and how each reply ended. Bounded in bytes and in time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Self

from orchestrator.core.dialogue.ask import Ask
from orchestrator.core.dialogue.reply import Ending, Reply

if TYPE_CHECKING:
    import httpx

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
        import httpx

        headers = {"Accept-Encoding": "identity", "Connection": "close"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._base = base.rstrip("/")
        self._seconds = request_seconds
        self._client: httpx.AsyncClient = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

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
        import httpx

        state = _Partial()
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._seconds):
                await self._receive(self._base + ask.path, ask.payload, state, started)
            ending: Ending = "too_large" if state.full else "complete"
        except TimeoutError:
            ending, state.problem = "deadline", f"{self._seconds:g} s"
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            ending, state.problem = "refused", str(error) or type(error).__name__
        except (httpx.HTTPError, httpx.StreamError) as error:
            ending, state.problem = "cut", str(error) or type(error).__name__
        seconds = time.monotonic() - started
        raw = bytes(state.raw)
        first, marks = state.first or seconds, tuple(state.marks)
        return Reply(state.status, state.headers, raw, ending, state.problem, seconds, first, marks)

    async def _receive(self, url: str, payload: dict[str, Any], state: _Partial, started: float) -> None:
        async with self._client.stream("POST", url, json=payload) as response:
            state.status = response.status_code
            state.headers = {name.lower(): value for name, value in response.headers.items()}
            async for piece in response.aiter_raw():
                now = time.monotonic() - started
                state.first = state.first or now
                state.raw += piece[: REPLY_LIMIT - len(state.raw)]
                if len(state.marks) < MARKS:
                    state.marks.append((len(state.raw), now))
                if len(state.raw) >= REPLY_LIMIT:
                    state.full = True
                    return


class _Partial:
    """What has come so far: it survives the exception that ends the reply."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.raw = bytearray()
        self.first = 0.0
        self.marks: list[tuple[int, float]] = []
        self.full = False
        self.problem = ""
