"""An engine for the time of a block: it carries the stack's marker, and ends with the block whatever happens.

What a kill -9 of ours leaves is found by its marker: the next `up`, `down` or `try` ends it (session.sweep_tries).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.core.launch import Launch
from orchestrator.core.plan import Plan
from orchestrator.core.planner.ports import FIRST, LAST
from orchestrator.edge.paths import StackPaths
from orchestrator.edge.run import identity, logs, ports, ready
from orchestrator.edge.run.api import Upstream
from orchestrator.edge.run.embedded import Embedded
from orchestrator.errors import EngineError, PortTaken

T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def free_port(taken: Collection[int]) -> int:
    """A port of our range that nobody listens on, from its end: those of models are spread over all of it.

    taken: ports that are spoken for. Raises PortTaken where there is none."""
    for port in range(LAST, FIRST - 1, -1):
        if port not in taken and ports.free(port):
            return port
    raise PortTaken(f"no port of {FIRST}-{LAST} is free", mend="end what listens there")


@contextlib.asynccontextmanager
async def running(plan: Plan, launch: Launch, paths: StackPaths, say: Callable[[str], None]) -> AsyncIterator[Upstream]:
    """The launch's engine, ready. Raises EngineError with the log's tail if it does not become so."""
    launch = replace(launch, model=f"{identity.TRY}{launch.model}")
    engines = Embedded(replace(plan, launches=(launch,)), paths.state, paths.logs)
    upstream = Upstream(launch.url, launch.served_name)

    async def alive() -> bool:
        return launch.model in await engines.alive()

    ours = True
    try:
        say(f"starting {launch.backend} on port {launch.port} (log: {engines.log(launch.model)})")
        await engines.start(launch)
        await _ready(launch, upstream, alive, engines)
        say("ready")
        yield upstream
    except PortTaken:
        ours = False
        raise
    finally:
        if ours:
            await _undisturbed(engines.stop(launch))


async def _ready(launch: Launch, upstream: Upstream, alive: Callable[[], Awaitable[bool]], engines: Embedded) -> None:
    try:
        async with asyncio.timeout(launch.ready.timeout):
            await ready.prove(launch, upstream, alive)
        return
    except TimeoutError:
        text = f"{launch.backend} did not become ready within {launch.ready.timeout} s"
    except ready.NotReady as error:
        why = engines.why(launch.model)
        text = f"{launch.backend} {why} before it was ready" if why else str(error)
    raise EngineError(text, details=logs.tail(Path(engines.log(launch.model)), this_run=True))


async def _undisturbed(work: Awaitable[None]) -> None:
    """To its end, also when we are cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


def whole(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end. Ctrl-C, SIGTERM and a terminal that closes cancel it once, so that it cleans up; then
    KeyboardInterrupt is raised."""

    async def main() -> tuple[T | None, bool]:
        task, pressed = asyncio.ensure_future(work), False
        loop = asyncio.get_running_loop()

        def press() -> None:
            nonlocal pressed
            if not pressed:
                task.cancel()
            pressed = True

        for number in SIGNALS:
            loop.add_signal_handler(number, press)
        try:
            return await task, False
        except asyncio.CancelledError:
            return None, True
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        result, interrupted = asyncio.run(main())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if interrupted:
        raise KeyboardInterrupt
    assert result is not None
    return result
