"""The daemon's probing: which models, when, on whose lease (DESIGN.md, decisions 6 and 7)."""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from orchestrator.core.backend import Can
from orchestrator.core.dialogue.ask import Log, Turn
from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.dialogue.gained import Gains
from orchestrator.core.dialogue.reports.safe import masked
from orchestrator.core.dialogue.setup import Size
from orchestrator.core.launch import Launch
from orchestrator.core.plan import Plan
from orchestrator.edge.probe.verdicts import Mark, Verdicts
from orchestrator.edge.run.api import EngineDown, Event, QueueFull, Supervisor
from orchestrator.errors import StackError, UsageError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change:
    """A model's mark was another one. at: unix time; why: the finding that failed it, "" where it did not fail."""

    before: Mark
    after: Mark
    at: float
    why: str


class Prover:
    """Probes one model at a time. `settled` is set once every model in scope is proven or cannot be.

    one: held by whoever probes; interrupt: ends a probe in the background, which gives way to one that was asked for;
    changes: model -> how its mark changed last, since the daemon started.
    """

    def __init__(
        self,
        plan: Plan,
        supervisor: Supervisor,
        verdicts: Verdicts,
        emit: Callable[[Event], None],
        can: Callable[[Launch], Can | None],
        key: str | None = None,
    ) -> None:
        self._plan = plan
        self._supervisor = supervisor
        self._verdicts = verdicts
        self._emit = emit
        self._can = can
        self._key = key
        self.one = asyncio.Lock()
        self.interrupt: Callable[[], None] | None = None
        self.changes: dict[str, Change] = {}
        self.settled = asyncio.Event()
        self._warnings: list[str] = []
        self._complaints: dict[str, str] = {}
        self.failed: dict[str, EngineDown] = {}
        self.crooked = False
        """The gateway spoilt a call that the engine had made well."""

    @property
    def scope(self) -> tuple[Launch, ...]:
        """The models that `up` proves: residents and the default role's, or all of ours."""
        every = self._plan.stack.probe.scope == "all"
        ours = [launch for launch in self._plan.launches if launch.owner != "external"]
        return tuple(x for x in ours if every or x.serving.residency == "resident" or x.model == self._plan.default)

    async def settle(self) -> None:
        """Loads and proves the models in scope, one after another, then says so."""
        self._warnings.clear()
        self._complaints.clear()
        self.failed.clear()
        self.crooked = False
        try:
            for launch in self.scope:
                await self._settle(launch)
        except Exception as error:
            traceback.print_exc()  # into the daemon's log; watchers must not wait for ever
            self._emit(Event("done", text=repr(error), data={"exit": 1, "warnings": [f"a bug of ours: {error!r}"]}))
            return
        self.settled.set()
        self._emit(Event("done", data={"exit": self.exit_code, "warnings": list(self.warnings)}))

    async def _settle(self, launch: Launch) -> None:
        try:
            await self._supervisor.load(launch.model)
            tier = self._plan.stack.probe.on_up
            if "tools" not in launch.capabilities or tier == "none":
                return
            verdict = self._verdicts.get(launch, tier)
            if verdict is not None:
                self._tell(launch, verdict, cached=True)
            else:
                verdict = await self.probe(launch.model, Size(tier), budget=self._plan.stack.probe.budget)
            if verdict.verdict != "fail":
                await self._control(launch)
            self._complain(launch, verdict)
        except EngineDown as error:
            self.failed[launch.model] = error
            self._warnings.append(error.text if launch.model in error.text else f"{launch.model}: {error.text}")
        except (QueueFull, StackError) as error:
            self._warnings.append(f"{launch.model} is untested: {error}")
        except TimeoutError:
            budget = self._plan.stack.probe.budget
            text = f"{launch.model} is untested: the probe took longer than probe.budget ({budget} s)"
            self._warnings.append(text)
            self._emit(Event("verdict", launch.model, text, {"verdict": "untested"}))

    def _complain(self, launch: Launch, verdict: Verdict) -> None:
        """One warning a model, of the verdict that stands."""
        self._complaints.pop(launch.model, None)
        if verdict.verdict == "fail" and self._plan.stack.probe.tools == "warn":
            text = f"the tool path of {launch.model} does not hold: {self._verdicts.finding(launch)}"
            self._complaints[launch.model] = text
        if verdict.verdict == "degraded":
            bad = "; ".join(f"{f.code}: {f.text}" for f in verdict.findings if f.severity == "D")
            self._complaints[launch.model] = f"the tool path of {launch.model} is degraded: {bad}"

    @property
    def warnings(self) -> list[str]:
        return [*self._warnings, *self._complaints.values()]

    async def _control(self, launch: Launch) -> None:
        """One turn through the gateway, for what only it could spoil (DESIGN.md, decision 6)."""
        from orchestrator.edge.probe.runner import control_turn

        findings = [f for f in await control_turn(self._plan.endpoint, launch.model, self._key) if f.severity == "F"]
        self.crooked |= bool(findings)
        for finding in findings:
            text = f"through the gateway: {finding.code}: {finding.text}"
            self._warnings.append(text)
            self._emit(Event("log", launch.model, text))

    async def probe(self, model: str, size: Size, *, budget: float | None = None) -> Verdict:
        """One probe on a lease, straight to the engine. Raises EngineDown, QueueFull, TimeoutError past the budget,
        UsageError for a size that is none."""
        launch = self._plan.launch(model)
        log = Log()
        gains = Gains(log)

        def on_turn(turn: Turn) -> None:
            # whoever watches can report what was found so far, should the probe be cut short
            gained = masked(gains.more(), self._supervisor.direct(model).key)
            self._emit(Event("turn", model, "", {**asdict(turn), "gained": asdict(gained)}))

        if self.interrupt is not None:
            self.interrupt()
        async with self.one:
            await self._supervisor.acquire(model)
            try:
                verdict = await self.ask(launch, size, budget=budget, on_turn=on_turn, log=log)
            finally:
                self._supervisor.release(model)
        self.keep(launch, verdict)
        return verdict

    async def ask(
        self,
        launch: Launch,
        size: Size,
        *,
        budget: float | None = None,
        on_turn: Callable[[Turn], None] | None = None,
        log: Log | None = None,
    ) -> Verdict:
        """The same for a caller that holds `one` and a lease. Nothing is kept yet. Raises TimeoutError."""
        from orchestrator.edge.probe import runner as probing

        target = probing.target_of(launch, self._supervisor.direct(launch.model), self._can(launch))
        if size.tier == "full" and launch.weights:
            target = await asyncio.to_thread(probing.with_template, target, Path(launch.weights))
        try:
            parameters = probing.parameters_of(launch).sized(size)
        except ValueError as error:
            raise UsageError(f"--{error}") from None
        verdict = await probing.probe(
            target,
            size.tier,
            seed=size.seed,
            parameters=parameters,
            on_turn=on_turn,
            deadline=budget,
            log=log,
        )
        return replace(verdict, model=launch.model)

    def keep(self, launch: Launch, verdict: Verdict, *, quietly: bool = False) -> None:
        """quietly: watchers hear of it only where it changes the model's mark."""
        before = self._verdicts.mark(launch)
        self._verdicts.put(launch, verdict)
        self._complain(launch, self._verdicts.get(launch) or verdict)
        after = self._verdicts.mark(launch)
        if before not in (after, "untested"):
            why = self._verdicts.finding(launch) or ""
            self.changes[launch.model] = Change(before, after, time.time(), why)
            log.warning("the tools of %s were %s and are %s now%s", launch.model, before, after, why and f": {why}")
        if not quietly or before != after:
            self._tell(launch, verdict, cached=False)

    @property
    def busy(self) -> bool:
        return self.one.locked()

    def _tell(self, launch: Launch, verdict: Verdict, *, cached: bool) -> None:
        data: dict[str, object] = {"verdict": verdict.verdict, "cached": cached}
        data |= {"turns": verdict.turns, "clean": verdict.clean_turns, "skipped": list(verdict.skipped)}
        data |= {"findings": [f"{f.code} ({f.culprit}): {f.text}" for f in verdict.findings if f.severity != "N"]}
        self._emit(Event("verdict", launch.model, "", data))

    @property
    def exit_code(self) -> int:
        """What `up` exits with: 5 an engine failed, 6 a required tool path failed, 0 otherwise."""
        if self.failed:
            return 5
        if self.crooked:
            return 6
        required = self._plan.stack.probe.tools == "required"
        return 6 if required and any(self._verdicts.mark(launch) == "failed" for launch in self.scope) else 0
