"""L1: the same kind of question at the same time: each must get its own answer."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.dialogue import wording
from orchestrator.core.dialogue.ask import Ask, Expect, Log, Talk, body, user
from orchestrator.core.dialogue.codes import LOST, Code
from orchestrator.core.dialogue.findings import Culprit, Finding
from orchestrator.core.dialogue.judge import finding, judge
from orchestrator.core.dialogue.setup import Setup
from orchestrator.core.dialogue.talk import entered, fitted, one

BUSY = (429, 503)


def together(setup: Setup, log: Log) -> Talk:
    """Nothing to do where `together` is below two; refusing the second request is the server's right, and noted."""
    places = [(setup.seed + i) % len(wording.CITIES) for i in range(setup.parameters.together)]
    if len(places) < 2:
        return
    asks = []
    for i, place in enumerate(places):
        city = wording.CITIES[place]
        messages = [user(wording.ASK_WEATHER.format(city=city))]
        expect = Expect(calls=(("get_weather", {"city": city}),), loose=True)
        more = {"tools": list(wording.DECOYS)}
        sent = body(setup.model, messages, setup.parameters.max_tokens, **more)
        asks.append(Ask("together", sent, expect, streamed=i % 2 == 1, patient=False))
    asks = [fitted(setup, log, ask) for ask in asks]
    replies = yield tuple(asks)
    for ask, reply in zip(asks, replies, strict=True):
        if reply.status in BUSY:
            text = f"HTTP {reply.status} for {len(asks)} requests at once"
            log.keep([finding(ask, reply, Code.BUSY, text)])
            continue
        exchange = entered(log, judge(setup, ask, reply))
        if exchange.right:
            log.keep(exchange.findings)
        elif (yield from one(setup, log, replace(ask, patient=True))).right:
            log.keep(_crossed(found, len(asks)) for found in exchange.findings)


def _crossed(found: Finding, count: int) -> Finding:
    """Alone the same request works: it is the company that spoils it, so it is the server."""
    culprit = Culprit.SERVER if found.code in LOST else found.culprit
    return replace(found, culprit=culprit, text=f"alone it works, {count} at once: {found.text}")
