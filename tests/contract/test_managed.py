"""Engines that a service manager runs: waited for, used, and never started or stopped by us. Here the test is it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.launch import Launch, Process, Serving, marker
from orchestrator.core.plan import Plan
from orchestrator.edge.run import ready
from orchestrator.edge.run.api import EngineDown
from orchestrator.edge.run.embedded import Embedded
from orchestrator.edge.run.managed import Managed
from orchestrator.edge.run.scheduler import Scheduler
from orchestrator.errors import EngineError
from tests.leases import chat, state
from tests.names import apart
from tests.plans import fake, plan_of

NAME = apart("managed", "theirs", "own")


class Manager:
    """Starts engines as systemd does: in a session of their own, with the marker."""

    def __init__(self) -> None:
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.gave_up = ""

    def start(self, launch: Launch, hash_: str = "") -> int:
        assert isinstance(launch.how, Process)
        run = f"{NAME}/{launch.model}/{hash_}" if hash_ else marker(NAME, launch)
        env = os.environ | dict(launch.env) | {"STACK_RUN": run}
        engine = subprocess.Popen(launch.how.argv, env=env, start_new_session=True, stdout=subprocess.DEVNULL)
        self.running[launch.model] = engine
        return engine.pid

    def kill(self, model: str) -> None:
        engine = self.running.pop(model)
        engine.kill()
        engine.wait()


@pytest.fixture
def manager() -> Iterator[Manager]:
    made = Manager()
    yield made
    for model in list(made.running):
        made.kill(model)


@pytest.fixture
def theirs(free_port: Callable[[], int]) -> Launch:
    serving = Serving(context=8192, concurrency=2, queue=4, residency="resident")
    return replace(fake("theirs", free_port(), serving=serving), owner="manager")


def planned(*launches: Launch) -> Plan:
    return replace(plan_of(*launches, name=NAME), manager="systemd")


@asynccontextmanager
async def supervised(plan: Plan, manager: Manager, folder: Path) -> AsyncIterator[Scheduler]:
    engines = Managed(plan, Embedded(plan, folder, folder), lambda model: manager.gave_up)
    scheduler = Scheduler(plan, engines, ready.prove, lambda event: None, lambda launch: None)
    await scheduler.open()
    try:
        yield scheduler
    finally:
        await scheduler.close()


def test_it_waits_for_the_engine_and_outlives_us(manager: Manager, theirs: Launch, tmp_path: Path) -> None:
    async def run() -> None:
        async with supervised(planned(theirs), manager, tmp_path) as scheduler:
            asked = asyncio.create_task(chat(scheduler, "theirs"))
            await asyncio.sleep(0.3)
            assert not asked.done()
            pid = manager.start(theirs)
            assert await asyncio.wait_for(asked, 30)
            assert scheduler.states()[0].pid == pid
        assert manager.running["theirs"].poll() is None

    asyncio.run(run())


def test_one_that_dies_is_waited_for_again(manager: Manager, theirs: Launch, tmp_path: Path) -> None:
    async def run() -> None:
        manager.start(theirs)
        async with supervised(planned(theirs), manager, tmp_path) as scheduler:
            await chat(scheduler, "theirs")
            manager.kill("theirs")
            while state(scheduler, "theirs") == "ready":
                await asyncio.sleep(0.05)
            asked = asyncio.create_task(chat(scheduler, "theirs"))
            await asyncio.sleep(0.2)
            manager.start(theirs)
            assert await asyncio.wait_for(asked, 30)
            assert scheduler.states()[0].restarts == 1

    asyncio.run(run())


def test_one_of_an_older_plan_is_neither_used_nor_ended(manager: Manager, theirs: Launch, tmp_path: Path) -> None:
    async def run() -> None:
        manager.start(theirs, "0123456789ab")
        async with supervised(planned(theirs), manager, tmp_path) as scheduler:
            await asyncio.sleep(1.5)
            assert state(scheduler, "theirs") == "starting"
        assert manager.running["theirs"].poll() is None

    asyncio.run(run())


def test_what_its_manager_gave_up_is_said(manager: Manager, theirs: Launch, tmp_path: Path) -> None:
    async def run() -> None:
        manager.gave_up = "failed: exited with 3"
        async with supervised(planned(theirs), manager, tmp_path) as scheduler:
            with pytest.raises(EngineDown, match="theirs: failed: exited with 3"):
                await asyncio.wait_for(scheduler.acquire("theirs"), 30)

    asyncio.run(run())


def test_it_is_not_ours_to_unload_and_our_own_engines_are(
    manager: Manager, theirs: Launch, free_port: Callable[[], int], tmp_path: Path
) -> None:
    async def run() -> None:
        own = fake("own", free_port())
        manager.start(theirs)
        async with supervised(planned(theirs, own), manager, tmp_path) as scheduler:
            for model in ("theirs", "own"):
                assert await asyncio.wait_for(chat(scheduler, model), 30)
            with pytest.raises(EngineError, match="belongs to systemd"):
                await scheduler.unload("theirs")
            await scheduler.unload("own")
            assert state(scheduler, "own") == "stopped"
        assert manager.running["theirs"].poll() is None

    asyncio.run(run())
