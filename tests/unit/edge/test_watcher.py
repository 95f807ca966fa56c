"""edge/probe/watcher.py: a probe in the background is one, is quiet, gives way at once, and loads nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.dialogue.setup import Size
from orchestrator.core.launch import Launch, Serving
from orchestrator.core.spec import Probe
from orchestrator.edge.gateway.tripwire import Tripwire
from orchestrator.edge.probe import watcher as watching
from orchestrator.edge.probe.prover import Prover
from orchestrator.edge.probe.verdicts import Verdicts
from orchestrator.edge.probe.watcher import Watcher
from orchestrator.edge.run.api import EngineState, Event, Upstream
from tests.fakes.static_supervisor import StaticSupervisor
from tests.plans import fake, plan_of

PASS = Verdict("m", "pass", 8, 8, None)
FAIL = Verdict("m", "fail", 8, 0, 1)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SETTLE", 0.0)


class Engines(StaticSupervisor):
    """state: of every engine that is not down."""

    state = "ready"

    def states(self) -> tuple[EngineState, ...]:
        found = super().states()
        return tuple(one if one.model in self.down else replace(one, state=self.state) for one in found)  # type: ignore[arg-type]

    async def acquire(self, model: str) -> Upstream:
        raise AssertionError("a probe in the background must not ask for a model to be loaded")


class Slow(Prover):
    """Its probe says `verdict` once `go` is set."""

    verdict: Verdict | Exception = PASS

    def __init__(self, *rest: Any) -> None:
        super().__init__(*rest)
        self.go, self.asked = asyncio.Event(), asyncio.Event()
        self.running = self.most = 0

    async def ask(self, launch: Launch, size: Size, **_: Any) -> Verdict:
        self.running += 1
        self.most = max(self.most, self.running)
        self.asked.set()
        try:
            await self.go.wait()
        finally:
            self.running -= 1
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict


class Scene:
    """A watch over the models `m` (resident) and `n` (on demand), one request at a time and no queue."""

    def __init__(self, folder: Path, probe: Probe) -> None:
        tools = ("chat", "tools")
        resident = replace(fake("m", 1, serving=Serving(8192, residency="resident")), capabilities=tools)
        plan = plan_of(resident, replace(fake("n", 2), capabilities=tools), fake("plain", 3), name="watch")
        plan = replace(plan, stack=plan.stack.model_copy(update={"probe": probe}))
        self.engines = Engines({launch.model: Upstream(launch.url, "x") for launch in plan.launches}, limit=1)
        self.verdicts = Verdicts(folder / "verdicts.json")
        self.events: list[Event] = []
        self.prover = Slow(plan, self.engines, self.verdicts, self.events.append, lambda _: None)
        self.prover.settled.set()
        self.supervisor: Any = self.engines
        self.ended = 0
        self.launch = resident
        self.watch = Watcher(plan, self.engines, self.prover, self.verdicts, self)

    def requests_of(self, model: str) -> int:
        return self.ended

    @contextlib.contextmanager
    def tripwire(self, model: str, ring: Callable[[], None]) -> Iterator[None]:
        self.supervisor = Tripwire(self.engines, model, ring)
        yield
        self.supervisor = self.engines

    def leases(self) -> int:
        return sum(self.engines.active.values())


def play(folder: Path, act: Callable[[Scene], Awaitable[None]], **probe: Any) -> Scene:
    async def run() -> Scene:
        scene = Scene(folder, Probe(**({"interval": 60, "quiet": 0} | probe)))
        async with asyncio.timeout(60):
            await act(scene)
        assert scene.leases() == 0
        assert not scene.prover.busy
        return scene

    return asyncio.run(run())


def test_each_model_with_tools_has_its_turn_once_an_interval(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.prover.go.set()
        for _ in range(5):
            await scene.watch.look()

    scene = play(tmp_path, act)
    assert scene.watch.outcomes == {("m", "changed"): 1, ("n", "changed"): 1}
    assert [event.kind for event in scene.events] == ["verdict", "verdict"]
    assert scene.prover.changes == {}, "a first verdict is no change"


def test_a_verdict_that_changes_is_announced_and_one_that_does_not_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(scene: Scene) -> None:
        scene.verdicts.put(scene.launch, PASS, at=0)
        scene.prover.go.set()
        await scene.watch.look()
        scene.verdicts.put(scene.launch, PASS, at=0)
        await scene.watch.look()
        assert [event.model for event in scene.events] == ["n"]
        scene.verdicts.put(scene.launch, PASS, at=0)
        scene.prover.verdict = FAIL
        await scene.watch.look()

    scene = play(tmp_path, act)
    assert scene.watch.outcomes == {("m", "same"): 1, ("n", "changed"): 1, ("m", "changed"): 1}
    change = scene.prover.changes["m"]
    assert (change.before, change.after) == ("verified", "failed")
    assert "the tools of m were verified and are failed now" in caplog.text


def test_the_first_request_ends_it_before_it_asks_for_its_lease(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.verdicts.put(scene.launch, PASS, at=0)
        scene.engines.down.add("n")
        looking = asyncio.create_task(scene.watch.look())
        await scene.prover.asked.wait()
        assert scene.leases() == 1
        assert scene.supervisor.acquire_now("plain") is not None, "another model is no reason"
        scene.supervisor.release("plain")
        assert scene.leases() == 1
        assert scene.supervisor.acquire_now("m") is not None, "one request at a time, no queue: it must not be refused"
        assert scene.leases() == 1
        await looking
        assert scene.supervisor is scene.engines
        await scene.watch.look()
        scene.engines.release("m")
        assert scene.prover.running == 0

    scene = play(tmp_path, act)
    assert scene.watch.outcomes == {("m", "gave_way"): 1}
    assert scene.verdicts.mark(scene.launch) == "verified"
    assert scene.events == []


@pytest.mark.parametrize("state", ["draining", "failed", "stopped"])
def test_it_ends_when_its_engine_is_taken_away(tmp_path: Path, state: str) -> None:
    async def act(scene: Scene) -> None:
        looking = asyncio.create_task(scene.watch.look())
        await scene.prover.asked.wait()
        scene.engines.state = state
        await looking

    assert play(tmp_path, act).watch.outcomes == {("m", "gave_way"): 1}


def test_a_probe_that_was_asked_for_comes_first(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        looking = asyncio.create_task(scene.watch.look())
        await scene.prover.asked.wait()
        by_hand = asyncio.create_task(scene.prover.probe("m", Size("quick")))
        await looking
        with pytest.raises(AssertionError, match="must not ask"):  # it queues for its lease, as it should
            await by_hand

    scene = play(tmp_path, act)
    assert scene.prover.most == 1
    assert scene.watch.outcomes == {("m", "gave_way"): 1}


def test_never_beside_another_probe_and_never_before_the_stack_is_settled(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.prover.go.set()
        async with scene.prover.one:
            await scene.watch.look()
        scene.prover.settled.clear()
        await scene.watch.look()

    assert play(tmp_path, act).watch.outcomes == {}


@pytest.mark.parametrize("state", ["stopped", "starting", "draining", "failed", "external"])
def test_what_is_not_loaded_is_left_alone(tmp_path: Path, state: str) -> None:
    async def act(scene: Scene) -> None:
        scene.engines.state = state
        await scene.watch.look()
        assert not scene.prover.asked.is_set()

    play(tmp_path, act)


def test_requests_in_flight_and_those_just_ended_keep_it_away(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.ended += 1
        await scene.watch.look()
        assert not scene.prover.asked.is_set()

    play(tmp_path, act, quiet=3600)

    async def flight(scene: Scene) -> None:
        for model in ("m", "n"):
            scene.engines.acquire_now(model)
        await scene.watch.look()
        assert not scene.prover.asked.is_set()
        for model in ("m", "n"):
            scene.engines.release(model)

    play(tmp_path, flight)


@pytest.mark.parametrize(("error", "outcome"), [(TimeoutError(), "over_budget"), (KeyError("bug"), "error")])
def test_without_a_verdict_the_old_one_stays_and_the_next_try_waits(
    tmp_path: Path, error: Exception, outcome: str
) -> None:
    async def act(scene: Scene) -> None:
        scene.verdicts.put(scene.launch, PASS, at=0)
        scene.engines.down.add("n")
        scene.prover.verdict = error
        scene.prover.go.set()
        for _ in range(3):
            await scene.watch.look()

    scene = play(tmp_path, act)
    assert scene.watch.outcomes == {("m", outcome): 1}
    assert scene.verdicts.mark(scene.launch) == "verified"


def test_an_engine_that_dies_meanwhile_says_nothing_about_its_tools(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        scene.verdicts.put(scene.launch, PASS, at=0)
        scene.prover.verdict = FAIL
        scene.prover.go.set()
        before = scene.engines.suspect

        def suspect(model: str) -> None:
            before(model)
            scene.engines.state = "failed"

        scene.engines.suspect = suspect  # type: ignore[method-assign]
        await scene.watch.look()

    scene = play(tmp_path, act)
    assert scene.watch.outcomes == {("n", "engine_lost"): 1}


def test_the_end_of_the_daemon_leaves_no_lease(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        looking = asyncio.create_task(scene.watch.look())
        await scene.prover.asked.wait()
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking
        await asyncio.sleep(0)
        assert scene.prover.running == 0

    play(tmp_path, act)


def test_no_watch_where_the_file_wants_none(tmp_path: Path) -> None:
    async def act(scene: Scene) -> None:
        await scene.watch.run()

    assert play(tmp_path, act, interval=0).watch.outcomes == {}
