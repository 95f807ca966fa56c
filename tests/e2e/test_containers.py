"""Containers on a real docker, under both supervisors: what a test of processes cannot say (tests/dockers.py)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from orchestrator.core import containers
from orchestrator.core.launch import Container, Launch, Serving
from orchestrator.core.plan import Plan
from orchestrator.core.targets.llama_swap import TARGET
from orchestrator.edge import templates
from orchestrator.edge.run import ready
from orchestrator.edge.run.api import EngineDown, Event
from orchestrator.edge.run.embedded import Embedded
from orchestrator.edge.run.engines import Engines
from orchestrator.edge.run.llama_swap import LlamaSwap
from orchestrator.edge.run.scheduler import Scheduler
from tests import dockers
from tests.dockers import Dockerd
from tests.leases import chat
from tests.plans import SITE, contained, fake, plan_of

pytestmark = pytest.mark.component("docker")
RESIDENT = Serving(context=8192, concurrency=2, queue=4, residency="resident")
STACK = f"dock-{os.getpid()}"


@dataclass
class Lane:
    """swap: llama-swap's executable and port, None for the embedded supervisor."""

    docker: Dockerd
    folder: Path
    port: Callable[[], int]
    swap: tuple[str, int] | None
    events: list[Event] = field(default_factory=list)

    def launch(self, model: str, *options: str, serving: Serving | None = None, **more: Any) -> Launch:
        return contained(fake(model, self.port(), *options, serving=serving), **more)

    def plan(self, *launches: Launch) -> Plan:
        return plan_of(*launches, name=STACK, swap=self.swap)

    @asynccontextmanager
    async def open(self, plan: Plan) -> AsyncIterator[Scheduler]:
        engines: Engines = Embedded(plan, self.folder, self.folder / "logs")
        if self.swap:
            (config,) = TARGET.render(plan, templates.render, SITE)
            path = self.folder / "config.yaml"
            path.write_text(config.text)
            engines = LlamaSwap(plan, path, self.folder, self.folder / "logs")
        scheduler = Scheduler(plan, engines, ready.prove, self.events.append, lambda _: None, drain=5)
        await scheduler.open()
        try:
            yield scheduler
        finally:
            await scheduler.close()

    def name(self, model: str) -> str:
        return containers.name(STACK, model)


SUPERVISORS = ["embedded", pytest.param("llama-swap", marks=pytest.mark.component("llama-swap"))]


@pytest.fixture(params=SUPERVISORS)
def lane(
    request: pytest.FixtureRequest,
    docker: Dockerd,
    tmp_path: Path,
    require: Callable[[str], Path],
    free_port: Callable[[], int],
) -> Lane:
    swap = (str(require("llama-swap")), free_port()) if request.param == "llama-swap" else None
    return Lane(docker, tmp_path, free_port, swap)


async def until(what: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.05)


async def stream(base: str, at_first: Callable[[], None]) -> bytes:
    """What comes of a streamed answer until it ends in whatever way. at_first: called after its first bytes."""
    body = {"model": "a", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    came = b""
    with contextlib.suppress(httpx.TransportError):
        async with (
            httpx.AsyncClient(timeout=60) as client,
            client.stream("POST", f"{base}/chat/completions", json=body) as reply,
        ):
            async for chunk in reply.aiter_bytes():
                if not came:
                    at_first()
                came += chunk
    return came


async def refused(scheduler: Scheduler, model: str) -> str:
    with pytest.raises(EngineDown) as caught:
        await scheduler.load(model)
    return caught.value.text


def test_each_model_sees_its_own_gpus_mounts_and_memory(lane: Lane, tmp_path: Path) -> None:
    weights, cache = tmp_path / "we,ights", tmp_path / "made" / "cache"
    weights.mkdir()
    (weights / "file").write_text("here")
    mounts = ((str(weights), "/w", "ro"), (str(cache), "/cache", "rw"))
    a = lane.launch("org/a:1", gpus=("0", "1"), mounts=mounts, shm_size=96 * 2**20)
    b = lane.launch("b", gpus=("GPU-5e0c", "1"), ipc="host")

    async def scenario() -> None:
        async with lane.open(lane.plan(a, b)) as scheduler:
            assert await chat(scheduler, "org/a:1")
            assert await chat(scheduler, "b")
            seen_a, seen_b = (lane.docker.environ(lane.name(model)) for model in ("org/a:1", "b"))
            assert (seen_a["NVIDIA_VISIBLE_DEVICES"], seen_b["NVIDIA_VISIBLE_DEVICES"]) == ("0,1", "GPU-5e0c,1")
            assert seen_a["STACK_RUN"] == f"{STACK}/org/a:1/{a.hash}"
            inside = "import os;v=os.statvfs('/dev/shm');print(v.f_blocks*v.f_frsize, open('/w/file').read())"
            with lane.docker.client() as client:
                made = client.containers.get(lane.name("org/a:1"))
                assert made.exec_run([dockers.PYTHON, "-c", inside]).output == b"100663296 here\n"
                write = "open('/cache/x','w').close();print('cached');open('/w/x','w')"
                told = made.exec_run([dockers.PYTHON, "-c", write]).output.decode()
                assert "cached" in told
                assert "Read-only file system" in told
                other = client.containers.get(lane.name("b")).attrs["HostConfig"]
                assert (other["IpcMode"], other["Init"]) == ("host", True)
                listening = made.attrs["NetworkSettings"]["Ports"]["8000/tcp"]
                assert listening == [{"HostIp": "127.0.0.1", "HostPort": str(a.port)}]
        assert (cache / "x").exists()
        assert lane.docker.containers(STACK) == []

    asyncio.run(scenario())


def test_kill_9_in_mid_stream_ends_the_stream_and_the_next_request_is_served(lane: Lane) -> None:
    async def scenario() -> None:
        async with lane.open(lane.plan(lane.launch("a", "--token-delay", "0.3"))) as scheduler:
            upstream = await scheduler.acquire("a")
            await until(lambda: scheduler.states()[0].pid)
            came = await stream(upstream.base, lambda: os.kill(scheduler.states()[0].pid or 0, signal.SIGKILL))
            assert b"data:" in came
            assert b"[DONE]" not in came
            scheduler.release("a")
            await until(lambda: scheduler.states()[0].restarts == 1)
            assert "the engine of a" in scheduler.states()[0].error
            assert await chat(scheduler, "a")

    asyncio.run(scenario())


def test_somebody_elses_container_is_left_alone_and_named(lane: Lane) -> None:
    """By name, and by the port that it publishes."""
    a, b = lane.launch("a"), lane.launch("b")
    sleep = [dockers.PYTHON, "-c", "import time; time.sleep(600)"]
    with lane.docker.client() as client:
        client.containers.run(dockers.IMAGE, sleep, detach=True, name=lane.name("a"))
        ports = {"8000/tcp": ("127.0.0.1", b.port)}
        client.containers.run(dockers.IMAGE, sleep, detach=True, name="theirs", ports=ports)

        async def scenario() -> None:
            async with lane.open(lane.plan(a, b)) as scheduler:
                told = await refused(scheduler, "a")
                assert f"there is a container {lane.name('a')} already, and it is not ours" in told
                assert f"docker rm -f {lane.name('a')}" in told
                assert "is taken by the container theirs (`docker stop theirs`" in await refused(scheduler, "b")

        asyncio.run(scenario())
        left = {one.name: one.status for one in client.containers.list(all=True)}
        assert left == {lane.name("a"): "running", "theirs": "running"}


def test_what_is_ours_and_stale_makes_way(lane: Lane) -> None:
    """An earlier boot's, of another plan, of a model that is gone."""
    a = lane.launch("a")
    labels = {**containers.labels(STACK, a), containers.USER: str(os.getuid())}
    with lane.docker.client() as client:
        sleep = [dockers.PYTHON, "-c", "import time; time.sleep(600)"]
        kinds = {lane.name("a"): labels | {containers.BOOT: "another"}, lane.name("gone"): {containers.STACK: STACK}}
        for name, its in kinds.items():
            client.containers.run(dockers.IMAGE, sleep, detach=True, name=name, labels=its)
        other = client.containers.run(
            dockers.IMAGE, sleep, detach=True, name="hers", labels=labels | {containers.USER: "65534"}
        )

        async def scenario() -> None:
            async with lane.open(lane.plan(a)) as scheduler:
                assert await chat(scheduler, "a")
                assert set(lane.docker.containers(STACK)) == {lane.name("a"), "hers"}

        asyncio.run(scenario())
        other.reload()
        assert other.status == "running", "another user's"


# the SDK leaves a socket to the garbage collector where docker goes away between two of its calls
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_docker_stopped_in_the_middle_fails_the_model_and_brings_it_back(lane: Lane, how: str) -> None:
    async def scenario() -> None:
        async with lane.open(lane.plan(lane.launch("a", serving=RESIDENT))) as scheduler:
            await scheduler.load("a")
            await asyncio.to_thread(getattr(lane.docker, how))
            await until(lambda: scheduler.states()[0].error.startswith("docker does not answer at unix://"))
            with pytest.raises(EngineDown, match=re.escape("(start docker")):
                await scheduler.acquire("a")
            tried = len([event for event in lane.events if event.text.startswith("docker does not answer")])
            # more often than an engine's own failures are forgiven
            await until(lambda: [e.text[:9] for e in lane.events].count("docker do") > tried + 6)
            await asyncio.to_thread(lane.docker.start)
            await until(lambda: scheduler.states()[0].state == "ready")
            assert await chat(scheduler, "a")
        assert lane.docker.containers(STACK) == []

    asyncio.run(scenario())


def test_an_image_that_is_not_there_is_never_pulled_silently(lane: Lane) -> None:
    a = lane.launch("a")
    assert isinstance(a.how, Container)
    a = replace(a, how=replace(a.how, image="nobody/nothing:1"))

    async def scenario() -> None:
        async with lane.open(lane.plan(a)) as scheduler:
            told = await refused(scheduler, "a")
            assert told == "docker has no image nobody/nothing:1 (docker pull nobody/nothing:1)"

    asyncio.run(scenario())


def test_without_a_gpu_runtime_docker_says_so_and_we_say_what_to_do(lane: Lane) -> None:
    lane.docker.stop()
    lane.docker.start(gpus=False)

    async def scenario() -> None:
        async with lane.open(lane.plan(lane.launch("a", gpus=("0",)))) as scheduler:
            told = await refused(scheduler, "a")
            if lane.swap:
                told += "".join((lane.folder / "logs" / "llama-swap.log").read_text())
            assert "could not select device driver" in told
            assert lane.swap or "nvidia-ctk runtime configure" in told
        assert lane.docker.containers(STACK) == []

    try:
        asyncio.run(scenario())
    finally:
        lane.docker.stop()


def test_a_secret_reaches_the_engine_and_no_command_line(lane: Lane, monkeypatch: pytest.MonkeyPatch) -> None:
    value = "sk-kept-from-argv"
    monkeypatch.setenv("ENGINE_TOKEN", value)
    a = replace(lane.launch("a"), secret_names=("ENGINE_TOKEN",), env=(("PLAIN", "a b=$X"),))

    async def scenario() -> None:
        async with lane.open(lane.plan(a)) as scheduler:
            assert await chat(scheduler, "a")
            seen = lane.docker.environ(lane.name("a"))
            assert (seen["ENGINE_TOKEN"], seen["PLAIN"]) == (value, "a b=$X")
            assert not [p.info for p in psutil.process_iter(["cmdline"]) if value in " ".join(p.info["cmdline"] or ())]
        written = [path for path in lane.folder.rglob("*") if path.is_file() and value in path.read_text()]
        assert written == []

    asyncio.run(scenario())


def test_the_log_is_followed_into_ours(lane: Lane) -> None:
    async def scenario() -> None:
        async with lane.open(lane.plan(lane.launch("a", "--exit-at-once"))) as scheduler:
            with pytest.raises(EngineDown) as caught:
                await scheduler.load("a")
            assert caught.value.details
            assert lane.swap or "exited with" in caught.value.text

    asyncio.run(scenario())


def test_a_port_that_a_process_holds_is_named_before_docker_is_asked(lane: Lane) -> None:
    a = lane.launch("a")
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", a.port or 0))
        stranger.listen()

        async def scenario() -> None:
            async with lane.open(lane.plan(a)) as scheduler:
                assert f"taken by pid {os.getpid()}" in await refused(scheduler, "a")

        asyncio.run(scenario())
