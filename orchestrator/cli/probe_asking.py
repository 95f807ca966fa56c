"""Where a probe's verdict comes from: a server's URL, or the daemon; with a report even of what was cut short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from orchestrator.cli.probe_report import Report
from orchestrator.core.dialogue.ask import Log
from orchestrator.core.dialogue.conclude import conclude
from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.dialogue.reports.safe import masked
from orchestrator.core.dialogue.setup import Parameters, Size
from orchestrator.edge.probe.report import Reported, files_of, gained_of, save, verdict_of
from orchestrator.errors import EngineError, UsageError


@dataclass(frozen=True, slots=True)
class Asked:
    """written: the reports' files; cut_exit: the exit code where told.cut_short is not empty."""

    told: Reported
    report: Report
    written: tuple[Path, ...] = ()
    cut_exit: int = 130


class Prober(Protocol):
    """log: what has been seen so far, for a report of a run that is cut short; key: never in a report."""

    log: Log
    key: str | None
    name: str
    size: Size

    def verdict(self, report: Report) -> Verdict: ...


def ask(first: Prober, second: Prober | None, places: Sequence[Path], *, quiet: bool) -> Asked:
    """One verdict, or two to compare. An interruption ends it with what was seen until then."""
    for place in places:
        files_of(place)
    report, verdicts, why = Report(quiet=quiet), [], ""
    with report:
        for prober in (first, second):
            if prober is None or why:
                continue
            try:
                verdicts.append(prober.verdict(report))
            except KeyboardInterrupt:
                verdicts.append(masked(conclude(prober.log, prober.name, prober.size.tier), prober.key))
                why = "interrupted"
    told = Reported(verdicts[0], verdicts[1] if len(verdicts) > 1 else None, tuple(report.scenarios), why)
    written = tuple(path for place in places for path in save(told, place))
    return Asked(told, report, written)


def key_of(env: str | None, file: Path | None) -> str | None:
    from orchestrator.edge import secrets

    if env is not None:
        return secrets.read("env", env, "--key-env")
    return None if file is None else secrets.read("file", str(file), "--key-file")


class ByUrl:
    """Any OpenAI-compatible server. weights: a folder with probe.json and the model's template, if there is one."""

    def __init__(self, url: str, name: str, key: str | None, weights: Path | None, size: Size) -> None:
        from orchestrator.edge.probe import runner

        self.log, self.name, self.size, self.key = Log(), name, size, key
        self._target, self._given = runner.Target(url, name, key), Parameters()
        if weights is not None:
            self._target, self._given = runner.with_template(self._target, weights), runner.read_parameters(weights)
            if self._target.render is None and not (weights / runner.PARAMETERS_FILE).is_file():
                told = f"--weights: there is neither a chat template nor a {runner.PARAMETERS_FILE} in {weights}"
                raise UsageError(told, mend="leave it out, or name the folder of the model's weights")
        runner.reach(url)

    def verdict(self, report: Report) -> Verdict:
        import asyncio

        from orchestrator.edge.probe import runner

        try:
            given = self._given.sized(self.size)
        except ValueError as error:
            raise UsageError(f"--{error}") from None
        done = runner.probe(
            self._target,
            self.size.tier,
            seed=self.size.seed,
            parameters=given,
            on_turn=lambda turn: report.turn(asdict(turn)),
            log=self.log,
        )
        return asyncio.run(done)


class ByDaemon:
    """A model of the running stack."""

    def __init__(self, file: Path, name: str, size: Size) -> None:
        self.log, self.name, self.size, self._file = Log(), name, size, file
        self.key: str | None = None

    def verdict(self, report: Report) -> Verdict:
        from orchestrator import pipeline
        from orchestrator.edge.control import client as control
        from orchestrator.edge.paths import StackPaths

        body = {"model": self.name, **asdict(self.size)}
        for event in control.stream(StackPaths(pipeline.name_of(self._file)), "POST", "/probe", body):
            data: dict[str, Any] = dict(event.data or {})
            if event.kind == "turn":
                gained_of(data.pop("gained")).into(self.log)
                report.turn(data)
            elif event.kind == "done" and "verdict" in data:
                return verdict_of(dict(data["verdict"]))
            elif event.kind == "done":
                raise EngineError(str(data.get("error") or event.text), details=tuple(data.get("details") or ()))
            else:
                report.line(event.text)
        raise EngineError("the daemon ended the probe without a verdict", mend="stack logs")
