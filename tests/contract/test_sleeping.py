"""`residency: sleep`: an engine that makes room by going to sleep, on real processes (fakes that have vLLM's verbs)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import psutil
import pytest

from orchestrator.core.launch import Launch, Serving
from orchestrator.core.plan import Plan
from orchestrator.edge.run import ready
from orchestrator.edge.run.api import Event
from orchestrator.edge.run.embedded import Embedded, end_strangers
from orchestrator.edge.run.scheduler import Scheduler
from orchestrator.edge.run.sleeping import Sleeping
from tests.leases import chat, state
from tests.plans import fake, plan_of

SLEEPS = Serving(context=8192, residency="sleep")


class Bed:
    """Two models that take turns; `a` sleeps as `--sleeps HOW` says."""

    def __init__(self, folder: Path, free_port: Callable[[], int], how: str) -> None:
        self.folder, self.name = folder, f"t-{uuid.uuid4().hex[:8]}"
        self.events: list[Event] = []
        a: Launch = replace(fake("a", free_port(), "--sleeps", how), serving=SLEEPS)
        self.plan: Plan = plan_of(a, fake("b", free_port()), name=self.name, sets=[["a"], ["b"]])
        self.url = a.url.removesuffix("/v1")

    @asynccontextmanager
    async def open(self, *, leave: bool = False) -> AsyncIterator[Scheduler]:
        engines = Sleeping(Embedded(self.plan, self.folder, self.folder / "logs"), [self.plan.launch("a")])
        scheduler = Scheduler(self.plan, engines, ready.prove, self.events.append, lambda _: None)
        await scheduler.open()
        yield scheduler
        await scheduler.close(keep_engines=leave)
        if not leave:
            await end_strangers(self.name, ())

    def pid(self, scheduler: Scheduler) -> int:
        return next(one.pid for one in scheduler.states() if one.model == "a") or 0

    async def asleep(self) -> bool:
        async with httpx.AsyncClient(trust_env=False) as client:
            return bool((await client.get(f"{self.url}/is_sleeping")).json()["is_sleeping"])

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.events if event.model == "a"]


def test_it_sleeps_to_make_room_and_wakes_as_the_same_process(tmp_path: Path, free_port: Callable[[], int]) -> None:
    async def scenario() -> None:
        bed = Bed(tmp_path, free_port, "well")
        async with bed.open() as scheduler:
            await chat(scheduler, "a")
            pid = bed.pid(scheduler)
            await chat(scheduler, "b")
            assert (state(scheduler, "a"), state(scheduler, "b")) == ("stopped", "ready")
            assert "asleep" in bed.said
            assert psutil.pid_exists(pid)
            assert await bed.asleep()
            await chat(scheduler, "a")
            assert (bed.pid(scheduler), await bed.asleep()) == (pid, False)

    asyncio.run(scenario())


def test_a_daemon_that_comes_after_finds_it_asleep(tmp_path: Path, free_port: Callable[[], int]) -> None:
    async def scenario() -> None:
        bed = Bed(tmp_path, free_port, "well")
        async with bed.open(leave=True) as scheduler:
            await chat(scheduler, "a")
            pid = bed.pid(scheduler)
            await chat(scheduler, "b")
        async with bed.open() as scheduler:
            assert state(scheduler, "a") == "stopped"
            await chat(scheduler, "a")
            assert bed.pid(scheduler) == pid

    asyncio.run(scenario())


def test_unloaded_by_hand_it_ends(tmp_path: Path, free_port: Callable[[], int]) -> None:
    async def scenario() -> None:
        bed = Bed(tmp_path, free_port, "well")
        async with bed.open() as scheduler:
            for asleep in (False, True):
                await chat(scheduler, "a")
                pid = bed.pid(scheduler)
                if asleep:
                    await chat(scheduler, "b")
                await scheduler.unload("a")
                assert not psutil.pid_exists(pid)

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["badly", "deeply"])
def test_one_that_cannot_sleep_or_wake_is_started_anew(tmp_path: Path, free_port: Callable[[], int], how: str) -> None:
    async def scenario() -> None:
        bed = Bed(tmp_path, free_port, how)
        async with bed.open() as scheduler:
            await chat(scheduler, "a")
            pid = bed.pid(scheduler)
            await chat(scheduler, "b")
            assert psutil.pid_exists(pid) is (how == "deeply")
            await chat(scheduler, "a")
            assert bed.pid(scheduler) != pid

    asyncio.run(scenario())
