"""Which layer lost something, by the count of tokens that were written."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.dialogue.ask import Exchange, Log
from orchestrator.core.dialogue.codes import Code
from orchestrator.core.dialogue.findings import Culprit, Finding

UNSEEN = 1.5
"""More tokens than that many times what the visible calls explain: something was written that did not arrive."""


def parallel_blamed(log: Log, exchange: Exchange) -> list[Finding]:
    """PARALLEL_LOST is the parser's if more was written than came, and the model's choice if not; the rest as it is."""
    return [_blamed(log, exchange, f) if f.code == Code.PARALLEL_LOST else f for f in exchange.findings]


def _blamed(log: Log, exchange: Exchange, found: Finding) -> Finding:
    seen, rate = exchange.seen, log.notes.get("tokens_per_char")
    if seen.completion_tokens is None or rate is None or seen.reasoning:
        return replace(found, culprit=Culprit.UNKNOWN)
    shown = sum(len(call.name) + len(call.arguments) for call in seen.calls) + len(seen.content)
    if seen.completion_tokens > UNSEEN * rate * shown:
        text = f"{found.text}; {seen.completion_tokens} tokens were written"
        return replace(found, culprit=Culprit.PARSER, text=text)
    text = f"{found.text}; no more was written: the model asks one by one"
    return replace(found, culprit=Culprit.MODEL_OR_QUANTIZATION, severity="N", text=text)
