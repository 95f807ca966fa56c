"""L1: tool_choice auto, required, named and none, each streamed and not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from orchestrator.core.dialogue import wording
from orchestrator.core.dialogue.ask import Ask, Exchange, Expect, Log, Talk, body, user
from orchestrator.core.dialogue.codes import TRANSPORT, Code
from orchestrator.core.dialogue.findings import Severity
from orchestrator.core.dialogue.judge import finding
from orchestrator.core.dialogue.markers import markup
from orchestrator.core.dialogue.pick import city, saying
from orchestrator.core.dialogue.setup import Setup
from orchestrator.core.dialogue.talk import both, one

TOOLS = list(wording.DECOYS)


def auto(setup: Setup, log: Log) -> Talk:
    """Notes: `auto`, whether the plainest call of all works; `tokens_per_char` of a call, where usage tells."""
    asked = city(setup.seed)
    text = wording.ASK_WEATHER.format(city=asked)
    expect = Expect(calls=(("get_weather", {"city": asked}),), loose=True)
    ask = Ask("auto", body(setup.model, [user(text)], setup.parameters.max_tokens, tools=TOOLS), expect)
    plain, streamed = yield from both(setup, log, replace(ask, body={**ask.body, "tool_choice": "auto"}))
    log.keep(plain.findings)
    log.keep(streamed.findings)
    log.notes["auto"] = plain.right or streamed.right
    if plain.right and plain.seen.completion_tokens and not plain.seen.reasoning:
        shown = sum(len(call.name) + len(call.arguments) for call in plain.seen.calls) + len(plain.seen.content)
        log.notes["tokens_per_char"] = plain.seen.completion_tokens / shown


def required(setup: Setup, log: Log) -> Talk:
    """A question that needs no tool: only an enforced `required` gives a call."""
    ask = _ask(setup, "required", wording.ASK_SAY.format(text=saying(setup.seed)), "required", Expect(calls=None))
    done = yield from _each(setup, log, ask)
    bad = [x for x in done if not x.accepted or (not x.seen.calls and x.seen.finish != "length")]
    _capability(setup, log, bad, Code.REQUIRED_IGNORED, "required", _can(setup, "required"))


def named(setup: Setup, log: Log) -> Talk:
    """A question about the weather with `ping` named: only an enforced name gives ping."""
    choice = {"type": "function", "function": {"name": "ping"}}
    text = wording.ASK_WEATHER.format(city=city(setup.seed + 1))
    # some engines end a forced call with `stop`: OpenAI's own does
    ask = _ask(setup, "named", text, choice, Expect(calls=None, finish=("stop", "tool_calls")))
    done = yield from _each(setup, log, ask)
    bad = [x for x in done if not x.accepted or [call.name for call in x.seen.calls] != ["ping"]]
    bad = [x for x in bad if x.seen.calls or x.seen.finish != "length"]
    _capability(setup, log, bad, Code.NAMED_IGNORED, "named", _can(setup, "named"))


def none(setup: Setup, log: Log) -> Talk:
    """With `none` nothing reads calls, so a model that writes one anyway leaves its markup in the text."""
    text = wording.ASK_WEATHER.format(city=city(setup.seed + 2))
    done = yield from _each(setup, log, _ask(setup, "none", text, "none", Expect(calls=None, markers=False)))
    bad = [x for x in done if not x.accepted or x.seen.calls or markup(x.seen.content, x.ask.tools)]
    _capability(setup, log, bad, Code.NONE_IGNORED, "none", "")


def _ask(setup: Setup, name: str, text: str, choice: Any, expect: Expect) -> Ask:
    more = {"tools": TOOLS, "tool_choice": choice}
    return Ask(name, body(setup.model, [user(text)], setup.parameters.max_tokens, **more), expect)


def _each(setup: Setup, log: Log, ask: Ask) -> Any:
    """Both ways. What is judged here is the capability; the form of calls only where calls came and were enforced.

    A choice may be refused. Whoever finds out while the stream runs, its 200 gone, can only say so in an event: that is
    no broken stream where the same request, not streamed, is a 4xx."""
    done: list[Exchange] = []
    for streamed in (False, True):
        exchange = yield from one(setup, log, replace(ask, streamed=streamed))
        broken = {f.code for f in exchange.findings if f.code in TRANSPORT}
        again = broken == {Code.ERROR_IN_BODY} and any(400 <= other.reply.status < 500 for other in done)
        if not exchange.accepted or again or not broken:
            done.append(exchange)
        if exchange.accepted and not again:
            log.keep([f for f in exchange.findings if f.code in TRANSPORT or f.code == Code.STOP_WITH_CALLS])
    return done


def _capability(setup: Setup, log: Log, bad: Sequence[Exchange], code: Code, choice: str, can: str) -> None:
    if not bad or (not log.notes.get("auto") and not bad[0].accepted):
        return
    first = bad[0]
    got = ", ".join(call.name for call in first.seen.calls) or repr(first.seen.content.strip()[:80])
    why = f"got {got}" if first.accepted else f"refused with HTTP {first.reply.status}"
    severity: Severity = "D" if can == "yes" else "N"
    log.keep([finding(first.ask, first.reply, code, f"tool_choice {choice} is not obeyed: {why}", severity=severity)])


def _can(setup: Setup, name: str) -> str:
    return str(getattr(setup.can, name)) if setup.can is not None else ""
