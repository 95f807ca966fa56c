"""The supervisor: who may run now, requests that wait, restarts. What to do is decided in core/schedule.py."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from orchestrator.core.launch import Attach, Launch
from orchestrator.core.plan import Plan
from orchestrator.core.schedule import Evict, Start, decide
from orchestrator.edge.run import logs
from orchestrator.edge.run.api import EngineDown, EngineState, Event, Upstream
from orchestrator.edge.run.engines import Engines, Unavailable
from orchestrator.edge.run.ready import NotReady
from orchestrator.edge.run.unit import Unit
from orchestrator.errors import EngineError, PortTaken

DRAIN = 120.0
"""Seconds that requests in flight get before an eviction ends them."""
TICK = 0.1

Prove = Callable[[Launch, Upstream, Callable[[], Awaitable[bool]]], Awaitable[None]]
"""Waits until the engine proves its capabilities. Raises NotReady; `alive` tells whether waiting still makes sense."""
Secrets = Callable[[Launch], str | None]


class Scheduler:
    """Implements edge/run/api.Supervisor over any Engines."""

    def __init__(
        self,
        plan: Plan,
        engines: Engines,
        prove: Prove,
        emit: Callable[[Event], None],
        key: Secrets,
        drain: float = DRAIN,
    ) -> None:
        self._plan = plan
        self._engines = engines
        self._prove = prove
        self._emit = emit
        self._drain = drain
        self._units = {launch.model: Unit(launch) for launch in plan.launches}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._closing = False
        for unit in self._units.values():
            if isinstance(unit.launch.how, Attach):
                unit.upstream = Upstream(unit.launch.url, unit.launch.served_name, key(unit.launch))

    # --- leases

    def acquire_now(self, model: str) -> Upstream | None:
        unit = self._units[model]
        if unit.waiting or not unit.open:
            return None
        unit.active += 1
        return unit.upstream

    async def acquire(self, model: str) -> Upstream:
        if (upstream := self.acquire_now(model)) is not None:
            return upstream
        if self._closing:
            raise EngineDown("the stack is going down")
        unit = self._units[model]
        unit.hold = False
        future = unit.queue(self._now())
        self._wake.set()
        try:
            return await future
        except asyncio.CancelledError:
            unit.waiting = deque(w for w in unit.waiting if w[0] is not future)
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release(model)  # granted in the same moment as the client went away
            raise

    def release(self, model: str) -> None:
        unit = self._units[model]
        unit.active -= 1
        unit.used = self._now()
        if unit.waiting:
            unit.grant()

    def direct(self, model: str) -> Upstream:
        unit = self._units[model]
        if unit.attached and unit.upstream is not None:
            return unit.upstream
        return Upstream(unit.launch.url, unit.launch.served_name)

    def suspect(self, model: str) -> None:
        self._wake.set()

    def states(self) -> tuple[EngineState, ...]:
        return tuple(u.report(self._engines.pid(m), self._engines.log(m)) for m, u in self._units.items())

    # --- verbs

    async def open(self) -> None:
        adopted = await self._engines.open()
        now = self._now()
        for model, unit in self._units.items():
            if unit.attached:
                continue
            if unit.resident or unit.launch.serving.preload:
                unit.wish = now
            if model in adopted:
                unit.become("starting")
                self._spawn(self._bring_up(unit, adopted=True))
        self._spawn(self._run())

    async def load(self, model: str) -> None:
        unit = self._units[model]
        if unit.state in ("ready", "external"):
            return
        unit.hold, unit.failures, unit.not_before = False, 0, 0.0
        unit.wish = self._now()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        unit.loaders.append(future)
        self._wake.set()
        await future

    async def unload(self, model: str) -> None:
        unit = self._units[model]
        if unit.attached:
            raise EngineError(f"{model} is attached: it is not ours to stop")
        if not unit.launch.ours:
            raise EngineError(f"{model} belongs to {self._plan.manager}: it is not ours to stop")
        unit.hold, unit.wish = True, None
        while unit.state in ("starting", "draining"):
            await asyncio.sleep(TICK)
        if unit.state == "ready":
            await self._evict(unit, "unloaded by hand")
        elif unit.launch.serving.residency == "sleep":
            await self._engines.stop(unit.launch)

    async def restart(self, model: str) -> None:
        await self.unload(model)
        await self.load(model)

    async def close(self, *, keep_engines: bool = False) -> None:
        self._closing = True
        for unit in self._units.values():
            unit.refuse(EngineDown("the stack is going down"))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._engines.close(keep_engines=keep_engines)

    # --- the loop

    async def _run(self) -> None:
        ticks = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._bury()
                self._step()
            except Exception as error:
                # a scheduler that stops is worse than one that stumbles: said, logged, and tried again
                traceback.print_exc()
                self._emit(Event("log", text=f"supervisor: {error!r}"))
                await asyncio.sleep(1)
            ticks += 1
            if ticks % 50 == 0:
                self._rotate()

    def _step(self) -> None:
        seats = [unit.seat() for unit in self._units.values() if not unit.attached]
        for action in decide(seats, self._plan.together, self._now()):
            unit = self._units[action.model]
            if isinstance(action, Start):
                unit.become("starting")
                self._spawn(self._bring_up(unit))
            elif isinstance(action, Evict):
                unit.become("draining")
                self._spawn(self._evict(unit, action.why, rest=True))

    async def _bury(self) -> None:
        """Notices engines that died while they should be serving."""
        alive = await self._engines.alive()
        for model, unit in self._units.items():
            if unit.state != "ready" or model in alive:
                continue
            why = self._engines.why(model) or "is gone"
            self._say(unit, unit.died(self._now(), f"the engine of {model} {why}", self._tail(model)))
            if unit.resident and not unit.hold:
                unit.wish = self._now()
            await self._sweep(unit)

    async def _sweep(self, unit: Unit) -> None:
        """What a dead engine leaves (children that hold its port) is ended before the next one starts."""
        with contextlib.suppress(EngineError):
            await self._engines.stop(unit.launch)

    async def _bring_up(self, unit: Unit, *, adopted: bool = False) -> None:
        launch = unit.launch
        self._say(unit, "adopting the engine that is already running" if adopted else f"starting {launch.backend}")

        async def alive() -> bool:
            return launch.model in await self._engines.alive()

        try:
            if not adopted:
                await self._engines.start(launch)
            async with asyncio.timeout(15 if adopted else launch.ready.timeout):
                await self._prove(launch, self.direct(launch.model), alive)
        except (EngineError, NotReady, TimeoutError) as failure:
            await self._give_up(unit, failure, adopted)
            return
        except Exception as bug:
            traceback.print_exc()
            await self._give_up(unit, EngineError(f"{launch.model}: a bug of ours: {bug!r}"), adopted)
            return
        unit.ready(self._engines.upstream(launch), self._now())
        self._say(unit, "ready")
        self._wake.set()

    async def _give_up(self, unit: Unit, failure: Exception, adopted: bool) -> None:
        model = unit.launch.model
        why = self._engines.why(model)
        if isinstance(failure, TimeoutError):
            text = f"{model} did not become ready within {unit.launch.ready.timeout} s"
        elif why and isinstance(failure, NotReady):
            text = f"before it was ready {unit.launch.backend} {why}"
        else:
            text = f"{failure} ({failure.mend})" if isinstance(failure, EngineError) and failure.mend else str(failure)
        details = self._tail(model) if not isinstance(failure, EngineError) else failure.details
        if not isinstance(failure, PortTaken):
            await self._sweep(unit)
        if adopted:  # it was not worth keeping: an ordinary start follows
            unit.become("stopped")
            unit.wish = self._now()
            self._wake.set()
            return
        if not unit.resident:
            unit.wish = None
        if isinstance(failure, Unavailable) or not unit.launch.ours:
            error = unit.away(self._now(), text)
        else:
            error = unit.failed(self._now(), text, details)
        unit.refuse(error)
        self._say(unit, error.text)
        self._wake.set()

    async def _evict(self, unit: Unit, why: str, *, rest: bool = False) -> None:
        """rest: sleep is enough, where the model has it."""
        unit.become("draining")
        self._say(unit, f"stopping: {why}")
        deadline = self._now() + self._drain
        while unit.active and self._now() < deadline:
            await asyncio.sleep(0.02)
        try:
            asleep = rest and await self._engines.rest(unit.launch)
            if not asleep:
                await self._engines.stop(unit.launch)
        except EngineError as error:
            unit.refuse(unit.failed(self._now(), str(error), ()))
            return
        unit.become("stopped")
        self._say(unit, "asleep" if asleep else "stopped")
        self._wake.set()

    # --- small things

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        assert isinstance(task, asyncio.Task)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._emit(Event("log", text=f"supervisor: {error!r}"))
            raise error

    def _say(self, unit: Unit, text: str) -> None:
        data: dict[str, object] = {"state": unit.state, "error": unit.error, "details": list(unit.details)}
        self._emit(Event("engine", unit.launch.model, text, data))

    def _tail(self, model: str) -> tuple[str, ...]:
        return logs.tail(Path(self._engines.log(model)), this_run=True)

    def _rotate(self) -> None:
        for model in self._units:
            with contextlib.suppress(OSError):
                logs.rotate(Path(self._engines.log(model)))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
