"""L1: values that are hard to carry, to be echoed byte for byte: quotes, newlines, scripts, nesting, numbers, tags."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.core.dialogue import wording
from orchestrator.core.dialogue.arguments import argued
from orchestrator.core.dialogue.ask import Ask, Exchange, Expect, Log, Talk, body, dumps, user
from orchestrator.core.dialogue.codes import LOST, TABLE, Code
from orchestrator.core.dialogue.damage import damage
from orchestrator.core.dialogue.findings import Culprit, Finding
from orchestrator.core.dialogue.pick import words
from orchestrator.core.dialogue.setup import Setup
from orchestrator.core.dialogue.talk import both

WRONG = LOST | {Code.SCHEMA_IGNORED}


def fidelity(setup: Setup, log: Log) -> Talk:
    text = wording.HARD_TEXT.format(word=words(setup.seed, 1))
    yield from _echo(setup, log, "fidelity", text, [{"id": "00123", "list": [1, 2, 3]}, {"a": {"b": None}}])
    first, second, third = words(setup.seed + 1, 3).split()
    yield from _echo(setup, log, "tags", wording.HARD_TAGS.format(first=first, second=second, third=third), [])


def _echo(setup: Setup, log: Log, name: str, text: str, items: list[dict[str, Any]]) -> Talk:
    payload = {"text": text, "code": "00123", "number": wording.HARD_NUMBER, "items": items}
    messages = [user(wording.ASK_ECHO.format(arguments=dumps(payload)))]
    # a repetition of the payload in the text is no leak, though it holds tags
    expect = Expect(calls=(("echo", payload),))
    limit = max(setup.parameters.max_tokens, 512)
    ask = Ask(name, body(setup.model, messages, limit, tools=[wording.ECHO, *wording.DECOYS]), expect)
    plain, streamed = yield from both(setup, log, ask)
    for exchange in (plain, streamed):
        log.keep(_told(log, exchange, payload))


def _noted(found: Finding) -> Finding:
    """A slip of form that only such values bring about is a note."""
    return replace(found, severity="N") if found.code in (Code.FINISH_REPEATED, Code.STOP_WITH_CALLS) else found


def _told(log: Log, exchange: Exchange, payload: dict[str, Any]) -> list[Finding]:
    """What software does to values is the parser's; any other slip is as likely the model's and only noted."""
    kept = [_noted(f) for f in exchange.findings if f.code not in WRONG or f.code == Code.DOUBLE_ENCODED]
    failed = next((f for f in exchange.findings if f.code in LOST), None)
    if failed is None or not log.notes.get("auto"):
        return kept if failed is None else list(exchange.findings)
    call = next((c for c in exchange.seen.calls if c.name == "echo"), None)
    code = damage(argued(call, wording.ECHO).arguments, payload) if call is not None else None
    if code is not None:
        row = TABLE[code]
        changed = replace(failed, code=code.value, culprit=row.culprit, severity=row.severity, mend=row.mend)
        return [*kept, changed]
    model = replace(failed, code=Code.FIDELITY_LOST.value, culprit=Culprit.UNKNOWN, severity="N")
    return [*kept, replace(model, text=f"parser or model, from outside alike: {failed.text}")]
