"""Probes idle models again, behind the back of nobody: core/watching.py says which and when."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.dialogue.setup import Size
from orchestrator.core.launch import Launch
from orchestrator.core.plan import Plan
from orchestrator.core.watching import Sight, interval_of, next_probe
from orchestrator.edge.probe.prover import Prover
from orchestrator.edge.probe.verdicts import Verdicts
from orchestrator.edge.run.api import EngineState, Supervisor

log = logging.getLogger(__name__)

TIER = "quick"
PACE = 1.0
"""Seconds between two looks at the models."""
ALERT = 0.1
"""The same while one is probed: is its engine being taken away? Requests do not wait for that, they ring."""
SETTLE = 0.5
"""Seconds in which the supervisor notices that an engine is gone."""

Outcome = Literal["same", "changed", "gave_way", "over_budget", "engine_lost", "error"]


class Traffic(Protocol):
    """What the gateway tells of its requests."""

    def requests_of(self, model: str) -> int: ...
    def tripwire(self, model: str, ring: Callable[[], None]) -> AbstractContextManager[None]: ...


@dataclass(slots=True)
class _Note:
    """Of one model. seen, tried: monotonic times of its last request and of its last probe without a verdict."""

    launch: Launch
    seen: float
    tried: float | None = None
    count: int = 0
    asked: bool = False
    aborted: int = 0


class Watcher:
    """outcomes: (model, outcome) -> how many probes ended so."""

    def __init__(
        self, plan: Plan, supervisor: Supervisor, prover: Prover, verdicts: Verdicts, traffic: Traffic
    ) -> None:
        self._probe = plan.stack.probe
        self._supervisor = supervisor
        self._prover = prover
        self._verdicts = verdicts
        self._traffic = traffic
        ours = [launch for launch in plan.launches if launch.owner != "external" and "tools" in launch.capabilities]
        self._notes = {launch.model: _Note(launch, time.monotonic()) for launch in ours}
        self.interval = interval_of(self._probe)
        self.outcomes: dict[tuple[str, Outcome], int] = {}

    async def run(self) -> None:
        """Until it is cancelled; at once, where stack.yaml wants no watch. A bug of ours is logged and ends nothing."""
        while self.interval:
            await asyncio.sleep(PACE)
            try:
                await self.look()
            except Exception:
                log.exception("while looking for a model to probe")

    async def look(self) -> None:
        """Probes the one model whose turn it is, if there is one."""
        model = next_probe(self._sights(), self.interval, self._probe.quiet)
        if model is None or not self._prover.settled.is_set() or self._prover.busy:
            return
        note = self._notes[model]
        try:
            outcome = await self._visit(note)
        except Exception:
            log.exception("while probing %s in the background", model)
            outcome = "error"
        self.outcomes[model, outcome] = self.outcomes.get((model, outcome), 0) + 1
        note.aborted = note.aborted + 1 if outcome == "gave_way" else 0
        if outcome == "gave_way":
            note.seen = time.monotonic()
        elif outcome in ("same", "changed"):
            note.asked = False
        else:
            note.tried = time.monotonic()

    def _sights(self) -> Iterator[Sight]:
        for state in self._supervisor.states():
            if (note := self._notes.get(state.model)) is None:
                continue
            now, count = time.monotonic(), self._traffic.requests_of(state.model)
            busy = state.active > 0 or state.queued > 0
            asked = busy or count != note.count
            if asked or state.state != "ready":
                note.seen, note.count, note.asked = now, count, note.asked or asked
            ages = [now - note.tried] if note.tried is not None else []
            if (probed := self._verdicts.probed(note.launch)) is not None:
                ages.append(max(0.0, time.time() - probed))
            yield Sight(
                state.model,
                loaded=state.state == "ready",
                busy=busy,
                idle=now - note.seen,
                checked=min(ages, default=None),
                asked=note.asked,
                resident=note.launch.serving.residency == "resident",
                aborted=note.aborted,
            )

    async def _visit(self, note: _Note) -> Outcome:
        launch, before = note.launch, self._verdicts.mark(note.launch)
        async with self._prover.one:
            engine = self._state(launch)
            if self._supervisor.acquire_now(launch.model) is None:  # never `acquire`: that would load it
                return "gave_way"
            work = asyncio.create_task(self._prover.ask(launch, Size(TIER), budget=self._probe.budget))
            with self._leaving(launch, work) as visit:
                while not work.done():
                    await asyncio.wait({work}, timeout=ALERT)
                    if self._state(launch).state != "ready":
                        visit.stop()
            if work.cancelled():
                return "gave_way"
            try:
                verdict = work.result()
            except TimeoutError:
                log.warning("%s: a background probe took longer than probe.budget; it stays %s", launch.model, before)
                return "over_budget"
            if verdict.verdict == "fail" and await self._lost(launch, engine):
                return "engine_lost"
        return self._heard(launch, verdict)

    @contextmanager
    def _leaving(self, launch: Launch, work: asyncio.Task[Verdict]) -> Iterator[Visit]:
        """However it ends, the lease goes back once."""
        visit = Visit(work, lambda: self._supervisor.release(launch.model))
        self._prover.interrupt = visit.stop
        try:
            with self._traffic.tripwire(launch.model, visit.stop):
                yield visit
        finally:
            self._prover.interrupt = None
            visit.stop()

    async def _lost(self, launch: Launch, engine: EngineState) -> bool:
        """What an engine answers that dies meanwhile says nothing about its tool path."""
        self._supervisor.suspect(launch.model)
        await asyncio.sleep(SETTLE)
        now = self._state(launch)
        return (now.state, now.pid, now.restarts) != (engine.state, engine.pid, engine.restarts)

    def _heard(self, launch: Launch, verdict: Verdict) -> Outcome:
        before = self._verdicts.mark(launch)
        self._prover.keep(launch, verdict, quietly=True)
        return "same" if self._verdicts.mark(launch) == before else "changed"

    def _state(self, launch: Launch) -> EngineState:
        return next(state for state in self._supervisor.states() if state.model == launch.model)


class Visit:
    """A probe on a lease that it gives back the moment somebody else needs the model."""

    def __init__(self, work: asyncio.Task[Verdict], release: Callable[[], None]) -> None:
        self._work = work
        self._release: Callable[[], None] | None = release

    def stop(self) -> None:
        """When this returns the lease is back, and the probe's connections are about to close."""
        if self._release is not None:
            release, self._release = self._release, None
            release()
        self._work.cancel()
