"""L1: a tool without arguments, two parallel calls, a question that needs no tool."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.core.dialogue import wording
from orchestrator.core.dialogue.ask import Ask, Exchange, Expect, Log, Talk, body, user
from orchestrator.core.dialogue.blame import parallel_blamed
from orchestrator.core.dialogue.codes import TABLE, Code
from orchestrator.core.dialogue.findings import Culprit, Finding
from orchestrator.core.dialogue.pick import cities, saying
from orchestrator.core.dialogue.setup import Setup
from orchestrator.core.dialogue.talk import both

TOOLS = list(wording.DECOYS)


def zero_argument(setup: Setup, log: Log) -> Talk:
    expect = Expect(calls=(("ping", {}),))
    ask = Ask(
        "zero_argument", body(setup.model, [user(wording.ASK_PING)], setup.parameters.max_tokens, tools=TOOLS), expect
    )
    for exchange in (yield from both(setup, log, ask)):
        log.keep([_empty_lost(log, exchange, found) for found in exchange.findings])


def _empty_lost(log: Log, exchange: Exchange, found: Finding) -> Finding:
    """Calls with arguments work and this one is lost: it is the empty arguments."""
    gone = (Code.MARKUP_IN_CONTENT, Code.SILENT_DROP, Code.FINISH_WITHOUT_CALLS, Code.NO_CALL)
    if not log.notes.get("auto") or found.code not in gone:
        return found
    if found.code == Code.NO_CALL and found.culprit == Culprit.MODEL_OR_QUANTIZATION:
        return replace(found, severity="N")
    row = TABLE[Code.EMPTY_ARGS_LOST]
    return replace(found, code=Code.EMPTY_ARGS_LOST.value, culprit=row.culprit, severity=row.severity, mend=row.mend)


def parallel(setup: Setup, log: Log) -> Talk:
    first, second = cities(setup.seed)
    text = wording.ASK_TWO.format(first=first, second=second)
    expect = Expect(calls=(("get_weather", {"city": first}), ("get_weather", {"city": second})), loose=True)
    # llama.cpp makes one call at most unless it is asked for more
    more = {"tools": TOOLS, "parallel_tool_calls": True}
    ask = Ask("parallel", body(setup.model, [user(text)], setup.parameters.max_tokens, **more), expect)
    for exchange in (yield from both(setup, log, ask)):
        log.keep(_unskilled(found) for found in parallel_blamed(log, exchange))


def _unskilled(found: Finding) -> Finding:
    """A model that mixes up two calls can still work one by one."""
    return replace(found, severity="D") if found.code in (Code.WRONG_CALL, Code.NO_CALL) else found


def irrelevance(setup: Setup, log: Log) -> Talk:
    text = saying(setup.seed + 1)
    messages = [user(wording.ASK_SAY.format(text=text))]
    ask = Ask(
        "irrelevance",
        body(setup.model, messages, setup.parameters.max_tokens, tools=TOOLS),
        Expect(calls=(), text=text),
    )
    for exchange in (yield from both(setup, log, ask)):
        log.keep(exchange.findings)
