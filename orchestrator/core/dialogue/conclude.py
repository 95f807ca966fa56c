"""From all that was found to the verdict: one finding a cause, with what follows from it left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from orchestrator.core.dialogue.ask import Log
from orchestrator.core.dialogue.codes import LOST, TABLE, Code
from orchestrator.core.dialogue.findings import Finding, Verdict
from orchestrator.core.dialogue.prefix_cache import cache
from orchestrator.core.dialogue.statistics import bound

_RANK = {"F": 0, "D": 1, "N": 2}
_MODELS = frozenset({Code.NO_CALL, Code.WRONG_CALL, Code.DEPTH_DRIFT, Code.LOOP, Code.HISTORY_POISONING, Code.UNSTABLE})
_SKILLS = frozenset(
    {Code.EMPTY_ARGS_LOST, Code.PARALLEL_LOST, Code.FIDELITY_LOST, Code.VALUE_CUT_AT_TAG, Code.NEEDLESS_CALL}
    | {Code.REQUIRED_IGNORED, Code.NAMED_IGNORED, Code.NONE_IGNORED, Code.TRUNCATION_HIDDEN}
)
EXPLAINS: dict[Code, frozenset[Code]] = {
    Code.TOOLS_DISCARDED: _MODELS | _SKILLS,
    Code.HISTORY_DISCARDED: _MODELS | {Code.NEEDLESS_CALL},
    Code.LOOP: frozenset({Code.DEPTH_DRIFT}),
    Code.CONTEXT_DRIFT: frozenset({Code.DEPTH_DRIFT}),
}
"""cause -> what is then no news."""


def conclude(log: Log, model: str, tier: str, seconds: float = 0.0) -> Verdict:
    findings = merged([*_caused(log.findings), *_cold(log)])
    worst = min((_RANK[f.severity] for f in findings), default=2)
    verdicts: tuple[Literal["fail", "degraded", "pass"], ...] = ("fail", "degraded", "pass")
    return Verdict(
        model=model,
        verdict=verdicts[worst],
        turns=log.counted,
        clean_turns=log.clean,
        first_failure=log.first_failure,
        findings=findings,
        tier=tier,
        seconds=round(seconds, 3),
        bound=bound(log.clean, log.counted),
        skipped=tuple(log.skipped),
        transcript=log.transcript,
        episodes=tuple(log.episodes),
        pace=tuple(log.pace),
    )


def _cold(log: Log) -> list[Finding]:
    """A note where the free runs' streamed turns prove that the prefix cache does not work."""
    found, row = cache(log.pace), TABLE[Code.CACHE_COLD]
    if found.state != "cold":
        return []
    return [
        Finding(Code.CACHE_COLD.value, row.culprit, row.severity, "free_run", found.reason, row.mend, streamed=True)
    ]


def _caused(findings: Iterable[Finding]) -> list[Finding]:
    """Without what another finding explains. Where the plainest call fails, the others do too."""
    found = list(findings)
    told = {f.code for f in found}
    no_news: set[str] = set()
    for cause, effects in EXPLAINS.items():
        if cause in told:
            no_news |= effects
    roots = {f.code for f in found if f.scenario == "auto" and f.severity == "F" and f.code in LOST}
    roots |= {f.code for f in found if f.scenario == "auto" and f.code in (Code.MISMATCH_MASKED, Code.STREAM_DIFFERS)}
    if roots:
        no_news |= (_MODELS | _SKILLS | LOST) - roots
    return [f for f in found if f.code not in no_news]


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """One a code and culprit: the gravest, then the first; worst first."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for found in findings:
        groups.setdefault((found.code, found.culprit), []).append(found)
    told = []
    for group in groups.values():
        first = min(group, key=lambda f: _RANK[f.severity])
        where = sorted({f.scenario for f in group} - {first.scenario})
        also = f" (seen {len(group)} times{'; also in ' + ', '.join(where) if where else ''})" if len(group) > 1 else ""
        told.append(replace(first, text=first.text + also))
    return tuple(sorted(told, key=lambda f: _RANK[f.severity]))
