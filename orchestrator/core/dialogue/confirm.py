"""Second looks at a turn that failed: the pattern of what works and what does not says which layer it is."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from orchestrator.core.dialogue.ask import Ask, Batch, Exchange, Log, Replies
from orchestrator.core.dialogue.codes import LOST, TABLE, Code
from orchestrator.core.dialogue.findings import Culprit, Finding, Severity
from orchestrator.core.dialogue.setup import Setup
from orchestrator.core.dialogue.talk import Said, lost, one, streamed_only

MODELS_OWN = frozenset({Code.WRONG_CALL, Code.NO_CALL, Code.ARGUMENTS_INVALID})
"""What a model may do by itself: at depth it is drift."""
DEEP = 20
"""From this turn on drift degrades, before it it fails."""


def checked(setup: Setup, log: Log, ask: Ask) -> Said:
    """One request; where a streamed one loses its call, the same not streamed tells whose fault that is."""
    exchange = yield from one(setup, log, ask)
    if not ask.streamed or not lost(exchange):
        return exchange
    plain = yield from one(setup, log, replace(ask, streamed=False))
    if not plain.right or lost(plain):
        return exchange
    again = yield from one(setup, log, ask)
    return streamed_only(again) if lost(again) else unstable(exchange, again)


def unstable(exchange: Exchange, again: Exchange) -> Exchange:
    """It failed once and not the second time, at temperature 0."""
    row = TABLE[Code.UNSTABLE]
    told = [
        replace(
            f,
            code=Code.UNSTABLE.value,
            culprit=row.culprit,
            severity=row.severity,
            mend=row.mend,
            text=f"not at the second try: {f.text}",
        )
        for f in exchange.findings
        if f.code in LOST
    ]
    return replace(again, findings=(*again.findings, *told[:1]))


def drifted(exchange: Exchange, code: Code = Code.DEPTH_DRIFT) -> list[Finding]:
    """A turn whose history is right: what the model does wrong there is drift (or a loop)."""
    severity: Severity = "D" if code == Code.DEPTH_DRIFT and (exchange.ask.turn or 0) >= DEEP else "F"
    return [_as(f, code, severity) if _models(f) else f for f in exchange.findings]


def _models(found: Finding) -> bool:
    return found.code in MODELS_OWN or (found.code in LOST and found.culprit == Culprit.MODEL_OR_QUANTIZATION)


def _as(found: Finding, code: Code, severity: Severity) -> Finding:
    row = TABLE[code]
    return replace(found, code=code.value, culprit=row.culprit, severity=severity, mend=row.mend)


def poisoned(exchange: Exchange, why: str) -> list[Finding]:
    """The same turn on a history of ours is right: it is the server's own history."""
    told = [f for f in exchange.findings if f.code not in LOST and f.code != Code.HTTP_ERROR]
    bad = [f for f in exchange.findings if f.code in LOST or f.code == Code.HTTP_ERROR]
    return [*told, *(replace(_as(f, Code.HISTORY_POISONING, "F"), text=f"{why}: {f.text}") for f in bad[:1])]


Explained = Generator[Batch, Replies, list[Finding]]


def explain(setup: Setup, log: Log, failed: Exchange, golden: Ask, own_ids: Ask | None) -> Explained:
    """Why a turn of the free run failed. golden: the same turn on a history of ours; own_ids: the model's own history
    with ids of ours, None at the first turn, whose history is the same either way."""
    if own_ids is None or (not lost(failed) and failed.accepted):
        return list(failed.findings)
    told = {f.code for f in failed.findings}
    if told & {Code.STREAM_DIFFERS, Code.MISMATCH_MASKED}:
        return list(failed.findings)
    ours = yield from one(setup, log, golden)
    if not failed.accepted:
        if not ours.accepted or failed.reply.ending != "complete":
            return list(failed.findings)
        renamed = yield from one(setup, log, own_ids)
        if renamed.accepted:
            found = failed.findings[0]
            row = TABLE[Code.ID_REJECTED]
            text = f"the server rejects its own ids: {found.text}"
            return [replace(found, code=Code.ID_REJECTED.value, culprit=row.culprit, mend=row.mend, text=text)]
        return poisoned(failed, "a history of ours is accepted, the server's own is not")
    if not ours.right:
        return drifted(failed)
    again = yield from one(setup, log, failed.ask)
    if again.right:
        return list(unstable(failed, again).findings)
    return poisoned(failed, "right on a history of ours")
