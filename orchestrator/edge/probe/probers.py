"""Where a probe's verdict comes from: a server's URL, the daemon, or an engine that is started for it alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

from orchestrator.core.dialogue.ask import Log, Turn
from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.dialogue.setup import Parameters, Size
from orchestrator.core.plan import Plan
from orchestrator.edge.control import client as control
from orchestrator.edge.paths import StackPaths
from orchestrator.edge.probe import runner
from orchestrator.edge.probe.report import gained_of, verdict_of
from orchestrator.errors import EngineError, UsageError


class Shows(Protocol):
    """What people see of a probe."""

    def line(self, text: str) -> None: ...
    def turn(self, turn: dict[str, Any]) -> None:
        """`turn` as a dict of ask.Turn."""
        ...


class Prober(Protocol):
    """log: what has been seen so far, for a report of a run that is cut short; key: never in a report."""

    log: Log
    key: str | None
    name: str
    size: Size

    def verdict(self, shows: Shows) -> Verdict: ...


class ByUrl:
    """Any OpenAI-compatible server. weights: a folder with probe.json and the model's template, if there is one."""

    def __init__(self, url: str, name: str, key: str | None, weights: Path | None, size: Size) -> None:
        self.log, self.name, self.size, self.key = Log(), name, size, key
        self._target, self._given = runner.Target(url, name, key), Parameters()
        if weights is not None:
            self._target, self._given = runner.with_template(self._target, weights), runner.read_parameters(weights)
            if self._target.render is None and not (weights / runner.PARAMETERS_FILE).is_file():
                told = f"--weights: there is neither a chat template nor a {runner.PARAMETERS_FILE} in {weights}"
                raise UsageError(told, mend="leave it out, or name the folder of the model's weights")
        runner.reach(url)

    def verdict(self, shows: Shows) -> Verdict:
        return asyncio.run(_talk(self._target, _sized(self._given, self.size), self, _turns(shows)))


class ByDaemon:
    """A model of the running stack. Raises NotRunning, EngineError."""

    def __init__(self, paths: StackPaths, name: str, size: Size) -> None:
        self.log, self.name, self.size, self._paths = Log(), name, size, paths
        self.key: str | None = None

    def verdict(self, shows: Shows) -> Verdict:
        body = {"model": self.name, **asdict(self.size)}
        for event in control.stream(self._paths, "POST", "/probe", body):
            data: dict[str, Any] = dict(event.data or {})
            if event.kind == "turn":
                gained_of(data.pop("gained")).into(self.log)
                shows.turn(data)
            elif event.kind == "done" and "verdict" in data:
                return verdict_of(dict(data["verdict"]))
            elif event.kind == "done":
                raise EngineError(str(data.get("error") or event.text), details=tuple(data.get("details") or ()))
            else:
                shows.line(event.text)
        raise EngineError("the daemon ended the probe without a verdict", mend="stack logs")


class ByLaunch:
    """The one launch of a plan, on an engine that lives as long as the probe (edge/run/ephemeral.py)."""

    def __init__(self, plan: Plan, paths: StackPaths, name: str, size: Size) -> None:
        from orchestrator.edge.discover import backends

        self.log, self.name, self.size, self._plan, self._paths = Log(), name, size, plan, paths
        self.key: str | None = None
        launch = self._launch = plan.launches[0]
        self._can = backends()[launch.backend].can(launch.engine_version, launch.tools.tool_parser)
        self._parameters = _sized(runner.parameters_of(launch), size)

    def verdict(self, shows: Shows) -> Verdict:
        from orchestrator.edge.run import ephemeral

        async def work() -> Verdict:
            async with ephemeral.running(self._plan, self._launch, self._paths, shows.line) as upstream:
                target = runner.target_of(self._launch, upstream, self._can)
                if self.size.tier == "full" and self._launch.weights:
                    target = await asyncio.to_thread(runner.with_template, target, Path(self._launch.weights))
                return await _talk(target, self._parameters, self, _turns(shows))

        return replace(ephemeral.whole(work()), model=self.name)


def _sized(given: Parameters, size: Size) -> Parameters:
    try:
        return given.sized(size)
    except ValueError as error:
        raise UsageError(f"--{error}") from None


def _turns(shows: Shows) -> Callable[[Turn], None]:
    return lambda turn: shows.turn(asdict(turn))


async def _talk(
    target: runner.Target, parameters: Parameters, prober: Prober, on_turn: Callable[[Turn], None]
) -> Verdict:
    size = prober.size
    return await runner.probe(target, size.tier, seed=size.seed, parameters=parameters, on_turn=on_turn, log=prober.log)
