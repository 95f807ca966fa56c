"""Engines that a service manager runs: they are waited for, and never started or stopped by us (DESIGN.md, decision 4).

Around the engines that our own supervisor runs. One is known by its marker, as ours are; a container that we cannot
look into (compose) by the port that answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from orchestrator.core.launch import Launch
from orchestrator.core.plan import CONTAINED, Plan
from orchestrator.edge.run import identity
from orchestrator.edge.run.api import Upstream
from orchestrator.edge.run.engines import Engines, Unavailable

PAUSE = 0.25
FRESH = 0.5
"""Seconds for which it is believed that an engine is not there: a look at every process is not free."""

Why = Callable[[str], str]
"""Model id -> why its manager has given it up, "" while it has not."""


class Managed:
    def __init__(self, plan: Plan, engines: Engines, why: Why) -> None:
        self._plan = plan
        self._engines = engines
        self._why = why
        self._theirs = {model: plan.launch(model) for model in plan.managed}
        self._known: dict[str, identity.Ours] = {}
        self._answering: set[str] = set()
        self._looked = float("-inf")
        self.kind = engines.kind

    async def open(self) -> Collection[str]:
        ours = await self._engines.open()
        return (*ours, *await self._running())

    async def start(self, launch: Launch) -> None:
        """Raises Unavailable once its manager has given it up, or the time to become ready is over."""
        if launch.model not in self._theirs:
            return await self._engines.start(launch)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(launch.ready.timeout):
                while launch.model not in await self._running():
                    if why := await asyncio.to_thread(self._why, launch.model):
                        raise Unavailable(f"{launch.model}: {why}", mend=f"stack logs {launch.model}")
                    await asyncio.sleep(PAUSE)
                return None
        raise Unavailable(f"{launch.model} is not running, and {self._plan.manager} is to run it", mend="stack up")

    async def rest(self, launch: Launch) -> bool:
        return launch.model not in self._theirs and await self._engines.rest(launch)

    async def stop(self, launch: Launch) -> None:
        if launch.model not in self._theirs:
            await self._engines.stop(launch)

    async def alive(self) -> Collection[str]:
        return (*await self._engines.alive(), *await self._running())

    async def _running(self) -> list[str]:
        if self._plan.manager in CONTAINED:
            return await self._reached()
        known = {model: one for model, one in self._known.items() if identity.alive(one.pid, one.created)}
        now = asyncio.get_running_loop().time()
        if len(known) < len(self._theirs) and now - self._looked > FRESH:
            self._looked = now
            for one in await asyncio.to_thread(identity.find, self._plan.name):
                launch = self._theirs.get(one.model)
                if launch is not None and one.leader and one.hash == launch.hash:
                    known[one.model] = one
        self._known = known
        return list(known)

    async def _reached(self) -> list[str]:
        now = asyncio.get_running_loop().time()
        if now - self._looked > FRESH:
            self._looked = now
            found = await asyncio.gather(*(_answers(launch) for launch in self._theirs.values()))
            self._answering = {model for model, answers in zip(self._theirs, found, strict=True) if answers}
        return list(self._answering)

    def upstream(self, launch: Launch) -> Upstream:
        if launch.model not in self._theirs:
            return self._engines.upstream(launch)
        return Upstream(launch.url, launch.served_name)

    def pid(self, model: str) -> int | None:
        if model not in self._theirs:
            return self._engines.pid(model)
        known = self._known.get(model)
        return known.pid if known is not None else None

    def log(self, model: str) -> str:
        """Their output is the manager's: `stack logs` asks it."""
        return "" if model in self._theirs else self._engines.log(model)

    def why(self, model: str) -> str:
        if model not in self._theirs:
            return self._engines.why(model)
        return f"ended, and {self._plan.manager} starts it again (its last words: stack logs {model})"

    async def close(self, *, keep_engines: bool) -> None:
        await self._engines.close(keep_engines=keep_engines)


async def _answers(launch: Launch) -> bool:
    url = urlsplit(launch.url)
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(url.hostname, url.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
