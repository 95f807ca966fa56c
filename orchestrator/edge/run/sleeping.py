"""Engines that sleep instead of ending: vLLM's sleep mode, `residency: sleep`. Around our own processes and containers.

vLLM with `--enable-sleep-mode` and VLLM_SERVER_DEV_MODE=1 has POST /sleep?level=1 (weights go to host memory, the KV
cache is dropped), POST /wake_up and GET /is_sleeping (vllm/entrypoints/serve/dev/sleep, v0.32).
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import httpx

from orchestrator.core.launch import Launch
from orchestrator.edge.run.api import Upstream
from orchestrator.edge.run.engines import Engines
from orchestrator.errors import EngineError

log = logging.getLogger(__name__)
SECONDS = 120.0
"""For all weights of a GPU to cross the bus, many times over."""


class Sleeping:
    def __init__(self, engines: Engines, sleepers: Collection[Launch]) -> None:
        self._engines = engines
        self._can = {one.model: one for one in sleepers}
        self._asleep: set[str] = set()
        self.kind = engines.kind

    async def open(self) -> Collection[str]:
        """What sleeps is not adopted as running; it wakes when it is wanted."""
        adopted = await self._engines.open()
        for model in adopted:
            if model in self._can and await self._sleeps(self._can[model]):
                self._asleep.add(model)
        return [model for model in adopted if model not in self._asleep]

    async def rest(self, launch: Launch) -> bool:
        """Whether it sleeps now; False: it has no such mode, or it failed, and it must be stopped."""
        if launch.model not in self._can:
            return False
        self._asleep.add(launch.model)  # from here on nobody may take it for one that serves
        try:
            await self._post(launch, "sleep", level="1")
        except EngineError as error:
            log.warning("%s does not go to sleep, so it is stopped: %s", launch.model, error)
            self._asleep.discard(launch.model)
            return False
        return True

    async def start(self, launch: Launch) -> None:
        if launch.model not in self._asleep:
            await self._engines.start(launch)
            return
        self._asleep.discard(launch.model)
        try:
            if launch.model not in await self._engines.alive():
                raise EngineError(f"{launch.model} {self._engines.why(launch.model)} in its sleep")
            await self._post(launch, "wake_up")
        except EngineError as error:
            log.warning("%s does not wake, so it is started anew: %s", launch.model, error)
            await self._engines.stop(launch)
            await self._engines.start(launch)

    async def stop(self, launch: Launch) -> None:
        self._asleep.discard(launch.model)
        await self._engines.stop(launch)

    async def alive(self) -> Collection[str]:
        return [model for model in await self._engines.alive() if model not in self._asleep]

    def upstream(self, launch: Launch) -> Upstream:
        return self._engines.upstream(launch)

    def pid(self, model: str) -> int | None:
        return self._engines.pid(model)

    def log(self, model: str) -> str:
        return self._engines.log(model)

    def why(self, model: str) -> str:
        return self._engines.why(model)

    async def close(self, *, keep_engines: bool) -> None:
        await self._engines.close(keep_engines=keep_engines)

    async def _sleeps(self, launch: Launch) -> bool:
        try:
            async with _client(launch) as client:
                return bool((await client.get("/is_sleeping")).json()["is_sleeping"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            log.warning("%s does not say whether it sleeps, so it counts as awake: %r", launch.model, error)
            return False

    async def _post(self, launch: Launch, verb: str, **query: str) -> None:
        """Raises EngineError unless the engine says 200."""
        try:
            async with _client(launch) as client:
                answer = await client.post(f"/{verb}", params=query)
        except httpx.HTTPError as error:
            raise EngineError(f"{launch.model}: /{verb}: {error!r}") from error
        if answer.status_code != 200:
            raise EngineError(f"{launch.model}: /{verb} answers {answer.status_code}: {answer.text[:200]}")


def _client(launch: Launch) -> httpx.AsyncClient:
    root = launch.url.removesuffix("/v1")
    return httpx.AsyncClient(base_url=root, timeout=httpx.Timeout(SECONDS), trust_env=False)
