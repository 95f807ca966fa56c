"""A probe's verdicts, one or two to compare, with a report even of what was cut short."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.cli.probe_report import Report
from orchestrator.core.dialogue.conclude import conclude
from orchestrator.core.dialogue.reports.safe import masked
from orchestrator.edge.probe.probers import ByDaemon, ByUrl, Prober
from orchestrator.edge.probe.report import Reported, files_of, save

__all__ = ["Asked", "ByDaemon", "ByUrl", "Prober", "ask", "key_of"]


@dataclass(frozen=True, slots=True)
class Asked:
    """written: the reports' files; cut_exit: the exit code where told.cut_short is not empty."""

    told: Reported
    report: Report
    written: tuple[Path, ...] = ()
    cut_exit: int = 130


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
