"""L1: a call that max_tokens cuts in the middle must end in `length`."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.dialogue import wording
from orchestrator.core.dialogue.arguments import argued
from orchestrator.core.dialogue.ask import Ask, Exchange, Expect, Log, Talk, body, dumps, user
from orchestrator.core.dialogue.codes import TRANSPORT, Code
from orchestrator.core.dialogue.judge import finding
from orchestrator.core.dialogue.pick import words
from orchestrator.core.dialogue.setup import Setup
from orchestrator.core.dialogue.talk import one

LIMIT = 24
"""Enough for the name and the first argument's start in every wire format, never for the whole call."""


def truncation(setup: Setup, log: Log) -> Talk:
    payload = {"text": words(setup.seed + 2, 30), "code": "7", "number": 7, "items": []}
    messages = [user(wording.ASK_ECHO.format(arguments=dumps(payload)))]
    ask = Ask("truncation", body(setup.model, messages, LIMIT, tools=[wording.ECHO]), Expect(calls=None, markers=False))
    for streamed in (False, True):
        exchange = yield from one(setup, log, replace(ask, streamed=streamed))
        log.keep([f for f in exchange.findings if f.code in TRANSPORT])
        if exchange.accepted and _hidden(exchange):
            finish, calls = exchange.seen.finish, exchange.seen.calls
            cut = f" with cut arguments {calls[0].arguments[-60:]!r}" if calls else ""
            text = f"max_tokens {LIMIT} cut the call, and finish_reason is {finish!r}{cut}"
            log.keep([finding(exchange.ask, exchange.reply, Code.TRUNCATION_HIDDEN, text)])


def _hidden(exchange: Exchange) -> bool:
    seen = exchange.seen
    if seen.finish in ("length", None):
        return False
    if seen.calls:
        return any(argued(call, wording.ECHO).defects for call in seen.calls)
    # fewer tokens than the limit: the model had stopped by itself
    return seen.completion_tokens is not None and seen.completion_tokens >= LIMIT
