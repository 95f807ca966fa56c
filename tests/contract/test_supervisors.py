"""What every supervisor promises (edge/run/api.py): embedded and under the real llama-swap, on real processes and on
containers of a real docker."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from orchestrator.core import containers
from orchestrator.core.launch import Launch, Process, Serving
from orchestrator.core.plan import Plan
from orchestrator.edge.run import identity, ports, ready
from orchestrator.edge.run.api import EngineDown, Event, QueueFull
from orchestrator.edge.run.embedded import Embedded, end_strangers
from orchestrator.edge.run.engines import Engines
from orchestrator.edge.run.llama_swap import LlamaSwap
from orchestrator.edge.run.scheduler import Scheduler
from orchestrator.errors import EngineError
from tests.dockers import Dockerd
from tests.leases import chat, state
from tests.plans import SITE, contained, fake, plan_of

SWAP, DOCKER = pytest.mark.component("llama-swap"), pytest.mark.component("docker")
KINDS = [
    "embedded",
    pytest.param("llama-swap", marks=SWAP),
    pytest.param("embedded, containers", marks=DOCKER),
    pytest.param("llama-swap, containers", marks=(SWAP, DOCKER)),
]
RESIDENT = Serving(context=8192, concurrency=2, queue=4, residency="resident")


class Bench:
    """One stack under test; several supervisors may follow one another on it, as daemons do."""

    def __init__(
        self,
        kind: str,
        folder: Path,
        require: Callable[[str], Path],
        free_port: Callable[[], int],
        docker: Dockerd | None,
    ) -> None:
        self.kind = kind.partition(",")[0]
        self.docker = docker
        self.folder = folder
        self.port = free_port
        self.name = f"t-{uuid.uuid4().hex[:8]}"
        self.events: list[Event] = []
        self._swap = (str(require("llama-swap")), free_port()) if self.kind == "llama-swap" else None

    def plan(self, *launches: Launch, sets: list[list[str]] | None = None) -> Plan:
        if self.docker:
            launches = tuple(contained(one) if isinstance(one.how, Process) else one for one in launches)
        return plan_of(*launches, name=self.name, sets=sets, swap=self._swap)

    def engines(self, model: str) -> int:
        """How many engines run for a model."""
        if self.docker:
            return self.docker.containers(self.name).count(containers.name(self.name, model))
        return sum(process.model == model for process in identity.find(self.name))

    def scheduler(self, plan: Plan, drain: float = 5.0) -> Scheduler:
        engines: Engines = Embedded(plan, self.folder, self.folder / "logs")
        if self.kind == "llama-swap":
            from orchestrator.core.targets.llama_swap import TARGET
            from orchestrator.edge.templates import render

            (config,) = TARGET.render(plan, render, SITE)
            path = self.folder / "config.yaml"
            path.write_text(config.text)
            engines = LlamaSwap(plan, path, self.folder, self.folder / "logs")
        return Scheduler(plan, engines, ready.prove, self.events.append, lambda _: None, drain=drain)

    @asynccontextmanager
    async def open(self, plan: Plan, drain: float = 5.0) -> AsyncIterator[Scheduler]:
        scheduler = self.scheduler(plan, drain)
        await scheduler.open()
        try:
            yield scheduler
        finally:
            await scheduler.close()


@pytest.fixture(params=KINDS)
def bench(
    request: pytest.FixtureRequest, tmp_path: Path, require: Callable[[str], Path], free_port: Callable[[], int]
) -> Iterator[Bench]:
    docker = request.getfixturevalue("docker") if "containers" in request.param else None
    made = Bench(request.param, tmp_path, require, free_port, docker)
    yield made
    asyncio.run(end_strangers(made.name, ()))


async def until(what: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.02)


async def pid_of(scheduler: Scheduler) -> int:
    """Of the only model's engine; docker tells that of a container which llama-swap started a moment after."""
    await until(lambda: scheduler.states()[0].pid is not None)
    return scheduler.states()[0].pid or 0


def scenario(test: Callable[[Bench], Awaitable[None]]) -> Callable[[Bench], None]:
    def run(bench: Bench) -> None:
        asyncio.run(test(bench))

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


@scenario
async def test_a_request_starts_its_engine_once_however_many_ask(bench: Bench) -> None:
    async with bench.open(bench.plan(fake("a", bench.port(), "--start-delay", "0.5"))) as scheduler:
        answers = await asyncio.gather(*(chat(scheduler, "a") for _ in range(5)))
        assert len(answers) == 5
        assert sum(event.text.startswith("starting") for event in bench.events) == 1
        assert bench.engines("a") == 1


@scenario
async def test_closing_leaves_neither_process_nor_port(bench: Bench) -> None:
    launch = fake("a", bench.port())
    async with bench.open(bench.plan(launch)) as scheduler:
        await chat(scheduler, "a")
    assert identity.find(bench.name) == []
    assert bench.engines("a") == 0
    assert ports.free(launch.port or 0)


@scenario
async def test_beyond_concurrency_requests_queue_then_429(bench: Bench) -> None:
    serving = Serving(context=8192, concurrency=1, queue=1)
    async with bench.open(bench.plan(fake("a", bench.port(), serving=serving))) as scheduler:
        await scheduler.acquire("a")
        waiting = asyncio.create_task(scheduler.acquire("a"))
        await asyncio.sleep(0.05)
        with pytest.raises(QueueFull):
            await scheduler.acquire("a")
        scheduler.release("a")
        await waiting
        scheduler.release("a")


@scenario
async def test_a_cancelled_wait_leaves_no_lease_behind(bench: Bench) -> None:
    serving = Serving(context=8192, concurrency=1, queue=4)
    async with bench.open(bench.plan(fake("a", bench.port(), serving=serving))) as scheduler:
        await scheduler.acquire("a")
        waiting = asyncio.create_task(scheduler.acquire("a"))
        await asyncio.sleep(0.05)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        scheduler.release("a")
        (seen,) = scheduler.states()
        assert (seen.active, seen.queued) == (0, 0)
        assert await chat(scheduler, "a")


@scenario
async def test_models_that_do_not_fit_together_swap_after_the_drain(bench: Bench) -> None:
    plan = bench.plan(fake("a", bench.port()), fake("b", bench.port()), sets=[["a"], ["b"]])
    async with bench.open(plan) as scheduler:
        await scheduler.acquire("a")
        second = asyncio.create_task(chat(scheduler, "b"))
        await until(lambda: state(scheduler, "a") == "draining")
        assert not second.done()
        scheduler.release("a")
        await second
        assert state(scheduler, "a") == "stopped"
        assert await chat(scheduler, "a")
        assert state(scheduler, "b") == "stopped"


@scenario
async def test_a_drain_ends_at_its_cap(bench: Bench) -> None:
    plan = bench.plan(fake("a", bench.port()), fake("b", bench.port()), sets=[["a"], ["b"]])
    async with bench.open(plan, drain=0.3) as scheduler:
        await scheduler.acquire("a")  # never released
        assert await chat(scheduler, "b")


@scenario
async def test_an_engine_that_dies_is_started_again(bench: Bench) -> None:
    async with bench.open(bench.plan(fake("a", bench.port(), serving=RESIDENT))) as scheduler:
        await scheduler.load("a")
        pid = await pid_of(scheduler)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: next(s.restarts for s in scheduler.states()) == 1)
        assert await chat(scheduler, "a")
        assert next(s.pid for s in scheduler.states()) != pid


@scenario
async def test_an_engine_that_exits_at_once_says_so_with_its_log(bench: Bench) -> None:
    async with bench.open(bench.plan(fake("a", bench.port(), "--exit-at-once"))) as scheduler:
        with pytest.raises(EngineDown) as caught:
            await scheduler.load("a")
        assert "a" in caught.value.text
        assert caught.value.details
        assert state(scheduler, "a") == "failed"


@scenario
async def test_an_engine_that_never_becomes_ready_is_ended_at_its_time_out(bench: Bench) -> None:
    async with bench.open(bench.plan(fake("a", bench.port(), "--never-ready", timeout=2))) as scheduler:
        with pytest.raises(EngineDown, match="within 2 s"):
            await scheduler.load("a")
        assert bench.engines("a") == 0


@scenario
async def test_a_port_held_by_a_stranger_is_an_error_that_names_him(bench: Bench) -> None:
    launch = fake("a", bench.port())
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", launch.port or 0))
        stranger.listen()
        async with bench.open(bench.plan(launch)) as scheduler:
            with pytest.raises(EngineDown, match=f"taken by pid {os.getpid()}"):
                await scheduler.load("a")


@scenario
async def test_the_next_daemon_adopts_what_a_crashed_one_left(bench: Bench) -> None:
    plan = bench.plan(fake("a", bench.port(), serving=RESIDENT))
    first = bench.scheduler(plan)
    await first.open()
    await first.load("a")
    pid = await pid_of(first)
    await first.close(keep_engines=True)
    async with bench.open(plan) as second:
        await second.load("a")
        assert await pid_of(second) == pid
        assert await chat(second, "a")


@scenario
async def test_what_does_not_match_the_plan_is_ended(bench: Bench) -> None:
    first = bench.scheduler(bench.plan(fake("a", bench.port(), serving=RESIDENT)))
    await first.open()
    await first.load("a")
    pid = await pid_of(first)
    await first.close(keep_engines=True)
    async with bench.open(bench.plan(fake("a", bench.port(), "--chunk", "char", serving=RESIDENT))) as second:
        await second.load("a")
        assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@scenario
async def test_an_idle_model_is_unloaded_after_its_ttl(bench: Bench) -> None:
    serving = Serving(context=8192, concurrency=2, queue=4, ttl=1)
    async with bench.open(bench.plan(fake("a", bench.port(), serving=serving))) as scheduler:
        await chat(scheduler, "a")
        await until(lambda: state(scheduler, "a") == "stopped")
        assert await chat(scheduler, "a")


@scenario
async def test_a_model_unloaded_by_hand_stays_down_until_asked_for(bench: Bench) -> None:
    async with bench.open(bench.plan(fake("a", bench.port(), serving=RESIDENT))) as scheduler:
        await scheduler.load("a")
        await scheduler.unload("a")
        await asyncio.sleep(0.5)
        assert state(scheduler, "a") == "stopped"
        assert await chat(scheduler, "a")


@scenario
async def test_an_engine_that_ignores_sigterm_is_killed(bench: Bench) -> None:
    async with bench.open(bench.plan(fake("a", bench.port(), "--ignore-sigterm"))) as scheduler:
        await chat(scheduler, "a")
        await scheduler.unload("a")
        assert bench.engines("a") == 0


@scenario
async def test_an_attached_server_is_not_ours_to_stop(bench: Bench) -> None:
    from dataclasses import replace

    from orchestrator.core.launch import Attach

    own = fake("a", bench.port())
    cloud = replace(fake("cloud", bench.port()), how=Attach("http://127.0.0.1:9/v1"), owner="external", port=None)
    async with bench.open(bench.plan(own, cloud)) as scheduler:
        assert state(scheduler, "cloud") == "external"
        assert (await scheduler.acquire("cloud")).base == "http://127.0.0.1:9/v1"
        scheduler.release("cloud")
        with pytest.raises(EngineError, match="not ours"):
            await scheduler.unload("cloud")
