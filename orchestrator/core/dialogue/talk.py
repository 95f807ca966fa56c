"""How scenarios speak: one request at a time, or the same request both ways, with each turn entered in the log."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from orchestrator.core.dialogue.arguments import argued, show
from orchestrator.core.dialogue.ask import Ask, Batch, Exchange, Log, Replies, Turn
from orchestrator.core.dialogue.codes import LOST, TABLE, Code
from orchestrator.core.dialogue.findings import Finding
from orchestrator.core.dialogue.judge import judge
from orchestrator.core.dialogue.setup import Setup

PATIENCE = 2
"""Requests in a row without any answer after which the rest of the probe is given up."""


class GiveUp(Exception):
    """The server does not answer: nothing further can be learned."""


Said = Generator[Batch, Replies, Exchange]
Both = Generator[Batch, Replies, tuple[Exchange, Exchange]]


def one(setup: Setup, log: Log, ask: Ask) -> Said:
    """Its findings are for the caller to keep. What a server turns out to need, later requests have. Raises GiveUp."""
    ask = fitted(setup, log, ask)
    (reply,) = yield (ask,)
    exchange = judge(setup, ask, reply)
    for need in NEEDS:
        changed = _changed(setup, need, exchange)
        if changed is not None:
            (reply,) = yield (changed,)
            other = judge(setup, changed, reply)
            if other.accepted and other.seen.finish != "length":
                log.notes[need] = True
                exchange = other
    return entered(log, exchange)


NEEDS = ("lean", "thinks")
"""lean: it rejects optional fields; thinks: its reasoning needs more tokens than an ordinary reply."""
THINKING = 4


def fitted(setup: Setup, log: Log, ask: Ask) -> Ask:
    """The request with what this server was found to need."""
    ask = replace(ask, lean=True) if log.notes.get("lean") else ask
    return _longer(ask) if log.notes.get("thinks") and _ordinary(setup, ask) else ask


def _changed(setup: Setup, need: str, exchange: Exchange) -> Ask | None:
    ask, seen = exchange.ask, exchange.seen
    if need == "lean":
        refused = exchange.reply.status in (400, 422) and not ask.lean
        return replace(ask, lean=True) if refused and ask.payload != replace(ask, lean=True).payload else None
    cut = seen.finish == "length" and seen.reasoning.strip() and not exchange.right
    return _longer(ask) if cut and _ordinary(setup, ask) else None


def _ordinary(setup: Setup, ask: Ask) -> bool:
    usual: int = setup.parameters.max_tokens
    return bool(usual <= ask.body["max_tokens"] < THINKING * usual)


def _longer(ask: Ask) -> Ask:
    return replace(ask, body={**ask.body, "max_tokens": THINKING * ask.body["max_tokens"]})


def entered(log: Log, exchange: Exchange) -> Exchange:
    """Enters it as a turn. Raises GiveUp."""
    log.turns.append(_turn(len(log.turns) + 1, exchange))
    reply = exchange.reply
    log.silent = 0 if reply.ending in ("complete", "too_large") else log.silent + 1
    optional = exchange.ask.path != "/chat/completions"
    if log.silent >= PATIENCE or (reply.status in (401, 403, 404) and not optional):
        log.keep(exchange.findings)
        raise GiveUp
    return exchange


def both(setup: Setup, log: Log, ask: Ask) -> Both:
    """Not streamed, then streamed; what fails streamed only is told apart and kept as such."""
    plain = yield from one(setup, log, replace(ask, streamed=False))
    streamed = yield from one(setup, log, replace(ask, streamed=True))
    if plain.right and not lost(plain) and lost(streamed):
        streamed = yield from one(setup, log, replace(ask, streamed=True))
        if lost(streamed):
            streamed = streamed_only(streamed)
    return plain, streamed


LOST_IN_STREAM = LOST | {Code.PARALLEL_LOST, Code.EMPTY_ARGS_LOST}


def lost(exchange: Exchange) -> bool:
    """Whether an expected call did not arrive as it should."""
    return any(f.code in LOST_IN_STREAM for f in exchange.findings)


def streamed_only(exchange: Exchange) -> Exchange:
    """The same request is fine when it is not streamed: says what that means."""
    told: list[Finding] = []
    for found in exchange.findings:
        if found.code not in LOST_IN_STREAM:
            told.append(found)
            continue
        masked = _unread(exchange, found.code)
        code = Code.MISMATCH_MASKED if masked else Code.STREAM_DIFFERS
        row, why = TABLE[code], f"fine when not streamed; streamed: {found.text}"
        mend = found.mend if masked else row.mend
        told.append(replace(found, code=code.value, culprit=row.culprit, severity=row.severity, text=why, mend=mend))
    return replace(exchange, findings=tuple(told))


def _unread(exchange: Exchange, code: str) -> bool:
    """The whole envelope as text, or a call without a name: the parser does not know this format at all, and a fallback
    hides that when not streamed."""
    if code == Code.NAME_CORRUPTED:
        return all(not call.name for call in exchange.seen.calls)
    names = [name for name, _ in exchange.ask.expect.calls or ()]
    return code == Code.MARKUP_IN_CONTENT and all(name in exchange.seen.content for name in names)


def _turn(number: int, exchange: Exchange) -> Turn:
    ask, seen = exchange.ask, exchange.seen
    bad = next((f for f in exchange.findings if f.severity != "N"), None)
    if bad is not None:
        text = f"{bad.code}: {bad.text}"
    elif not ask.expect.form:
        text = f"accepted, {seen.prompt_tokens} tokens" if exchange.accepted else f"HTTP {exchange.reply.status}"
    elif seen.finish == "length":
        text = f"cut at max_tokens ({ask.body['max_tokens']})"
    elif seen.calls:
        text = show(argued(call, ask.tools.get(call.name)) for call in seen.calls)
    else:
        text = " ".join(seen.content.split())[:120]
    ok = bad is None and exchange.right
    return Turn(number, ask.scenario, ask.turn, ask.of, ask.streamed, ok, text[:300], exchange.reply.seconds)
