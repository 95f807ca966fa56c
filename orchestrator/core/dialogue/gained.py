"""What a log has gained since it was last looked at, to be sent along with a turn and put into a log elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.core.dialogue.ask import Log
from orchestrator.core.dialogue.findings import Episode, Finding, Pace


@dataclass(frozen=True, slots=True)
class Gained:
    """findings, pace: the new ones; the rest: as it now stands."""

    findings: tuple[Finding, ...]
    pace: tuple[Pace, ...]
    episodes: tuple[Episode, ...]
    skipped: tuple[str, ...]
    transcript: tuple[dict[str, Any], ...]
    counted: int
    clean: int
    first_failure: int | None

    def into(self, log: Log) -> None:
        log.keep(self.findings)
        log.pace.extend(self.pace)
        log.episodes[:], log.skipped[:] = self.episodes, self.skipped
        log.counted, log.clean, log.first_failure = self.counted, self.clean, self.first_failure
        log.transcript = self.transcript


class Gains:
    """Reads one log in pieces."""

    def __init__(self, log: Log) -> None:
        self._log, self._findings, self._pace = log, 0, 0

    def more(self) -> Gained:
        log, findings, pace = self._log, self._findings, self._pace
        self._findings, self._pace = len(log.findings), len(log.pace)
        return Gained(
            tuple(log.findings[findings:]),
            tuple(log.pace[pace:]),
            tuple(log.episodes),
            tuple(log.skipped),
            log.transcript,
            log.counted,
            log.clean,
            log.first_failure,
        )
