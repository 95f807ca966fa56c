"""Engines under a real llama-swap, our child: we decide when it loads and unloads, it starts, stops and proxies.

Facts of its API and its traps: the reference in docs/backends.md, read from llama-swap's source (v250).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote

import httpx

from orchestrator.core.launch import Container, Launch
from orchestrator.core.plan import Plan
from orchestrator.edge.run import foreground, identity, logs, ports, room
from orchestrator.edge.run.api import Upstream
from orchestrator.edge.run.containers import Containers
from orchestrator.edge.run.embedded import end_strangers, exit_words, port_freed
from orchestrator.edge.run.engines import Unavailable
from orchestrator.edge.run.process import Child, end, environment, spawn
from orchestrator.errors import EngineError

SHUTDOWN = 40.0
"""llama-swap gives itself 30 s + 5 s to stop its engines."""
FRESH = 0.4
"""Seconds for which an answer of /running is believed."""


class LlamaSwap:
    kind = "llama-swap"

    def __init__(self, plan: Plan, config: Path, state: Path, log_folder: Path) -> None:
        """With a service manager llama-swap is that one's child: it is waited for, and left when we go."""
        assert plan.swap_port is not None
        assert plan.host.llama_swap is not None
        self._plan = plan
        self._config = config
        self._state = state
        self._log = log_folder / "llama-swap.log"
        self._bin = plan.host.llama_swap.bin
        self._base = f"http://127.0.0.1:{plan.swap_port}"
        self._client = httpx.AsyncClient(base_url=self._base, timeout=httpx.Timeout(10), trust_env=False)
        self._child: Child | None = None
        self._loads: dict[str, asyncio.Task[None]] = {}
        self._why: dict[str, str] = {}
        self._running: tuple[float, tuple[str, ...]] = (-1.0, ())
        self._pids: dict[str, Child] = {}
        self._restart = asyncio.Lock()
        self._containers = Containers(plan, log_folder)
        self._contained: dict[str, int | None] = {}

    async def open(self) -> Collection[str]:
        self._find()
        if self._child is not None and await self._answers():
            await end_strangers(self._plan.name, {self._child.pid}, self._plan.managed)
            alive = await self.alive()
            await self._clear(keep=alive)
            for launch in self._plan.launches:
                if launch.model in alive and isinstance(launch.how, Container):
                    self._contained[launch.model] = await self._containers.find_pid(launch.model)
            return alive
        await self._begin()
        return ()

    def _find(self) -> None:
        digest = self._digest()
        for process in identity.find(self._plan.name):
            if process.model == identity.SWAP and process.hash == digest and process.leader:
                self._child = Child(process.pid, process.created)

    async def start(self, launch: Launch) -> None:
        assert launch.port is not None
        if launch.model not in await self.alive():
            if isinstance(launch.how, Container):
                await self._containers.check(launch)
            elif not ports.free(launch.port):
                raise ports.taken(launch.port, f"model {launch.model}")
            await room.wait(self._plan, launch)
        self._why.pop(launch.model, None)
        self._loads[launch.model] = asyncio.create_task(self._load(launch))

    async def _load(self, launch: Launch) -> None:
        """Asks for the engine's own health path through llama-swap, which loads the model for it."""
        url = f"/upstream/{quote(launch.model)}{launch.ready.path}"
        try:
            reply = await self._client.get(url, timeout=launch.ready.timeout)
            if reply.status_code >= 500:
                words = f"{reply.status_code}: {_message(reply)}{self._left(launch)}"
                self._why[launch.model] = f"did not start: llama-swap answers {words}"
            elif isinstance(launch.how, Container):
                self._contained[launch.model] = await self._containers.find_pid(launch.model)
        except httpx.HTTPError as error:
            self._why[launch.model] = f"did not start: llama-swap: {error!r}"
        except Unavailable as error:
            self._why[launch.model] = f"did not start: {error.text}"
        finally:
            self._running = (-1.0, ())  # what it said before does not know of this one

    async def rest(self, launch: Launch) -> bool:
        return False

    async def stop(self, launch: Launch) -> None:
        if (task := self._loads.pop(launch.model, None)) is not None:
            task.cancel()
        with contextlib.suppress(httpx.HTTPError):
            url = f"/api/models/unload/{quote(launch.model)}"
            await self._client.post(url, timeout=SHUTDOWN)
        self._running = (-1.0, ())
        for _ in range(100):
            if launch.model not in await self.alive():
                break
            await asyncio.sleep(0.1)
        for process in identity.find(self._plan.name):
            if process.model == launch.model:
                await end(Child(process.pid, process.created), 0)
        self._contained.pop(launch.model, None)
        if isinstance(launch.how, Container):  # it outlives its `docker run`, if that was killed
            await self._containers.stop(launch)
        await port_freed(launch)

    async def alive(self) -> Collection[str]:
        loading = [model for model, task in self._loads.items() if not task.done()]
        now = asyncio.get_running_loop().time()
        if now - self._running[0] > FRESH:
            self._running = (now, await self._ask_running())
        return {*self._running[1], *loading}

    async def _ask_running(self) -> tuple[str, ...]:
        try:
            reply = await self._client.get("/running")
            return tuple(row["model"] for row in reply.json()["running"] if row["state"] in ("ready", "starting"))
        except (httpx.HTTPError, ValueError, KeyError):
            if self._child is not None and not self._child.alive():
                await self._revive()
            return ()

    async def _revive(self) -> None:
        """llama-swap died: its engines cannot be adopted by the next one, so they are ended first (decision 5)."""
        async with self._restart:
            if self._child is None or self._child.alive():
                return
            for launch in self._plan.launches:
                self._why[launch.model] = "went down with llama-swap, which " + exit_words(self._child.exit_code)
            await self._begin()

    async def _begin(self) -> None:
        swap = (identity.SWAP,) if self._plan.manager else ()
        await end_strangers(self._plan.name, (), (*self._plan.managed, *swap))
        await self._clear()
        if swap:
            await self._await()
        else:
            await self._spawn()

    async def _await(self) -> None:
        """Its manager starts it, and starts it again."""
        for _ in range(200):
            self._find()
            if self._child is not None and self._child.alive() and await self._answers():
                return
            await asyncio.sleep(0.15)
        raise EngineError(f"llama-swap does not run, and {self._plan.manager} is to run it", mend="stack up")

    async def _spawn(self) -> None:
        port = self._plan.swap_port
        assert port is not None
        if not ports.free(port):
            raise ports.taken(port, "llama-swap")
        secrets = sorted({name for launch in self._plan.launches for name in launch.secret_names})
        env = environment(f"{self._plan.name}/{identity.SWAP}/{self._digest()}", (), secrets)
        env |= {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}  # for `docker run`
        argv = (self._bin, "-config", str(self._config), "-listen", f"127.0.0.1:{port}")
        self._child = spawn(argv, env, self._log, self._state)
        for _ in range(200):
            if not self._child.alive():
                words = exit_words(self._child.exit_code)
                raise EngineError(f"llama-swap {words}", details=logs.tail(self._log, this_run=True))
            if await self._answers():
                return
            await asyncio.sleep(0.05)
        raise EngineError("llama-swap does not answer within 10 s", details=logs.tail(self._log, this_run=True))

    async def _clear(self, keep: Collection[str] = ()) -> None:
        """Removes this stack's containers but those of the models in `keep`."""
        with contextlib.suppress(Unavailable):  # each start of a container will say so
            await self._containers.clear(keep)

    async def _answers(self) -> bool:
        try:
            return (await self._client.get("/api/version", timeout=2)).status_code == 200
        except httpx.HTTPError:
            return False

    def upstream(self, launch: Launch) -> Upstream:
        return Upstream(f"{self._base}/v1", launch.model)

    def pid(self, model: str) -> int | None:
        if isinstance(self._plan.launch(model).how, Container):
            return self._contained.get(model) if model in self._running[1] else None
        known = self._pids.get(model)
        if known is not None and known.alive():
            return known.pid
        if model not in self._loads and model not in self._running[1]:
            return None
        for process in identity.find(self._plan.name):
            if process.model == model and process.leader:
                self._pids[model] = Child(process.pid, process.created)
                return process.pid
        return None

    def log(self, model: str) -> str:
        return str(self._log)

    def why(self, model: str) -> str:
        if model in self._why or self.pid(model) is not None:
            return self._why.get(model, "")
        left = self._left(self._plan.launch(model))
        return f"ended{left}" if left else ""

    def _left(self, launch: Launch) -> str:
        """llama-swap does not say how an engine ended: only of a user's command is it likely that it went away."""
        return foreground.left_behind(self._plan.name, launch, 0) if launch.backend == "command" else ""

    async def close(self, *, keep_engines: bool) -> None:
        for task in self._loads.values():
            task.cancel()
        await self._client.aclose()
        if self._child is not None and (keep_engines or self._plan.manager):
            self._child.disown()
        elif self._child is not None:
            await end(self._child, SHUTDOWN)
            await end_strangers(self._plan.name, (), self._plan.managed)
        await self._containers.close(keep_engines=keep_engines)

    def _digest(self) -> str:
        return hashlib.sha256(self._config.read_bytes()).hexdigest()[:12]


def _message(reply: httpx.Response) -> str:
    try:
        error = reply.json()["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        return reply.text[:200]
