"""L0: histories as real clients send them. Three styles of ids; content null, absent and as an array of parts."""

from __future__ import annotations

from typing import Any

from orchestrator.core.dialogue import ids, ledger
from orchestrator.core.dialogue.ask import Ask, Exchange, Expect, Log, Message, Talk, body
from orchestrator.core.dialogue.codes import Code
from orchestrator.core.dialogue.judge import finding
from orchestrator.core.dialogue.setup import Setup
from orchestrator.core.dialogue.talk import one

NAME = "acceptance"


def acceptance(setup: Setup, log: Log) -> Talk:
    """Notes for later scenarios: `ids`, a style that is accepted."""
    walk = ledger.walk(setup.seed, 4, {})

    def ask(messages: list[Message]) -> Ask:
        return Ask(NAME, body(setup.model, messages, 1, tools=list(ledger.TOOLS)), Expect(form=False))

    tried: dict[str, Exchange] = {}
    for style in ids.order(setup.wire):
        tried[style] = yield from one(setup, log, ask(walk.history(1, ids.STYLES[style])))
    good = [style for style, exchange in tried.items() if exchange.accepted]
    if not good:
        for exchange in tried.values():
            log.keep(exchange.findings)
        return
    log.notes["ids"] = good[0]
    for style, exchange in tried.items():
        if style not in good:
            text = f"a history with ids in the {style} style is rejected: {_why(exchange)}"
            log.keep([finding(exchange.ask, exchange.reply, Code.ID_REJECTED, text, severity="D")])
    for form, code in (
        ("null", Code.NULL_CONTENT_REJECTED),
        ("absent", Code.NULL_CONTENT_REJECTED),
        ("array", Code.ARRAY_CONTENT_REJECTED),
    ):
        exchange = yield from one(setup, log, ask(_formed(walk.history(1, ids.STYLES[good[0]]), form)))
        if not exchange.accepted:
            who = "a user's message" if form == "array" else "a call's message"
            text = f"content {form} in {who} is rejected: {_why(exchange)}"
            log.keep([finding(exchange.ask, exchange.reply, code, text)])


def _formed(messages: list[Message], form: str) -> list[Message]:
    start, made, came = messages
    if form == "array":
        return [{**start, "content": [{"type": "text", "text": start["content"]}]}, made, came]
    bare: dict[str, Any] = {key: value for key, value in made.items() if key != "content"}
    return [start, {**bare, "content": None} if form == "null" else bare, came]


def _why(exchange: Exchange) -> str:
    return exchange.findings[0].text if exchange.findings else str(exchange.reply.status)
