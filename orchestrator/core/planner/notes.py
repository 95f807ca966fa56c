"""What planning gathers on its way: decisions with reasons, skipped sources, warnings, problems."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.core.plan import Decision, Skipped
from orchestrator.errors import Problem


@dataclass(frozen=True, slots=True)
class Notes:
    decisions: list[Decision] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def decide(self, subject: str, what: str, value: object, reason: str) -> None:
        self.decisions.append(Decision(subject, what, str(value), reason))

    def problem(self, where: str, text: str, mend: str = "") -> None:
        self.problems.append(Problem(where, text, mend))
