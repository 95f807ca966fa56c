"""L2, free run: the model walks the ledger on its own history, streamed and not in turn, until its first mistake."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any

from orchestrator.core.dialogue import ids, ledger
from orchestrator.core.dialogue.arguments import argued, tally
from orchestrator.core.dialogue.ask import (
    Ask,
    Batch,
    Exchange,
    Expect,
    Log,
    Message,
    Replies,
    Talk,
    body,
    called,
    dumps,
    result,
    user,
)
from orchestrator.core.dialogue.blame import parallel_blamed
from orchestrator.core.dialogue.codes import Code
from orchestrator.core.dialogue.confirm import Explained, checked, drifted, explain
from orchestrator.core.dialogue.decode import first_token
from orchestrator.core.dialogue.findings import Episode, Finding, Pace
from orchestrator.core.dialogue.scenarios.golden import ask_at, long_walk
from orchestrator.core.dialogue.setup import Setup
from orchestrator.core.dialogue.talk import one

SHORT = 8
SHORT_EVENTS = (2, 4, 6)
REPEATS = 3
"""The same call that often in a row is a loop."""
Loops = Generator[Batch, Replies, bool]


def short_run(setup: Setup, log: Log) -> Talk:
    """Eight turns with every event once."""
    events = dict(zip(SHORT_EVENTS, setup.parameters.events, strict=False))
    walk = ledger.walk(setup.seed + 1, SHORT, events, setup.parameters.alphabet)
    yield from Run(setup, log, walk, "free_run_8", streamed_first=True).talk()


def long_run(setup: Setup, log: Log) -> Talk:
    """The run whose turns the verdict counts (with the short one, where it is the only one)."""
    walk = long_walk(replace(setup, seed=setup.seed + 2))
    yield from Run(setup, log, walk, "free_run", streamed_first=False).talk()


def episodes(setup: Setup, log: Log) -> Talk:
    """The long run again and again, each with keys of its own; the verdict counts the turns of them all. The first is
    the standard tier's."""
    for number in range(setup.parameters.episodes):
        own = replace(setup, seed=setup.seed + 2 + number)
        run = Run(setup, log, long_walk(own), "free_run", streamed_first=number % 2 == 1, seed=own.seed)
        yield from run.talk(fresh=number == 0)


class Run:
    def __init__(
        self, setup: Setup, log: Log, walk: ledger.Walk, name: str, *, streamed_first: bool, seed: int | None = None
    ) -> None:
        self.setup, self.log, self.walk, self.name, self.first = setup, log, walk, name, streamed_first
        self.seed = setup.seed if seed is None else seed
        self.messages: list[Message] = [user(walk.prompt)]
        self.prompt_tokens = 0

    def talk(self, *, fresh: bool = True) -> Talk:
        """fresh: the verdict's counts begin here."""
        log = self.log
        if fresh:
            log.counted, log.clean, log.first_failure = 0, 0, None
            log.episodes.clear()
        log.episodes.append(Episode("free_run", self.seed, 0))
        for turn, step in enumerate(self.walk.steps, 1):
            exchange = yield from checked(self.setup, log, self._ask(turn, Expect(calls=step.calls), step.kind))
            findings = parallel_blamed(log, exchange)
            lone = any(f.code == Code.PARALLEL_LOST for f in findings)
            if not exchange.right and not lone:
                findings = yield from self._why(exchange, turn)
            self._count(exchange, findings, turn)
            if not exchange.right and not lone:
                return
            self._append(exchange, step, turn)
        yield from self._end()

    def _ask(self, turn: int, expect: Expect, kind: str = "") -> Ask:
        more = {"tools": list(ledger.TOOLS), "parallel_tool_calls": True}
        sent = body(self.setup.model, self.messages, self.setup.parameters.max_tokens, **more)
        streamed, of = (turn % 2 == 1) is self.first, len(self.walk.steps)
        return Ask(self.name, sent, expect, streamed, turn=turn, of=of, step=kind)

    def _count(self, exchange: Exchange, findings: list[Finding], turn: int) -> None:
        log, bad = self.log, any(f.severity != "N" for f in findings)
        log.keep(findings)
        log.counted += 1
        log.clean += not bad
        known = log.episodes[-1]
        code = next((f.code for f in findings if f.severity != "N"), "")
        first = turn if bad and known.failed is None else known.failed
        log.episodes[-1] = replace(known, turns=turn, failed=first, code=known.code or code)
        self._pace(exchange, turn)
        if bad and (log.first_failure is None or turn < log.first_failure):
            log.first_failure = turn
            said = self._said(exchange) if exchange.seen.calls else {"content": exchange.seen.content}
            log.transcript = log.transcript or (*self.messages, {"role": "assistant", **said})

    def _pace(self, exchange: Exchange, turn: int) -> None:
        """How long the first token of a streamed turn took, for so many tokens of which so many are new."""
        tokens, before = exchange.seen.prompt_tokens, self.prompt_tokens
        if tokens is None:
            return
        self.prompt_tokens = tokens
        if exchange.ask.streamed and turn > 1:
            first = first_token(exchange.reply)
            new, cached = max(tokens - before, 0), exchange.seen.cached_tokens
            self.log.pace.append(Pace(turn, tokens, new, round(first, 4), cached))

    def _said(self, exchange: Exchange) -> Message:
        """The server's message as a client sends it back."""
        made = [(call.id, call.name, call.arguments) for call in exchange.seen.calls]
        return called(made, exchange.seen.content)

    def _append(self, exchange: Exchange, step: ledger.Step, turn: int) -> None:
        """The reply and its results; where only one call of a pair came, the right pair instead."""
        if len(exchange.seen.calls) != len(step.calls):
            self.messages = self.walk.history(turn, ids.STYLES[self.log.notes.get("ids", "openai")])
            return
        self.messages.append(self._said(exchange))
        results = {tally([call])[0]: value for call, value in _paired(step)}
        for call, key in zip(exchange.seen.calls, _made(exchange), strict=True):
            self.messages.append(result(call.id, dumps(results[key])))

    def _why(self, exchange: Exchange, turn: int) -> Explained:
        ask = exchange.ask
        golden = ask_at(self.setup, self.log, self.walk, turn, self.name, streamed=ask.streamed)
        renamed = replace(ask, body={**ask.body, "messages": self._renamed()})
        findings = yield from explain(self.setup, self.log, exchange, golden, renamed if turn > 1 else None)
        if any(f.code == Code.DEPTH_DRIFT for f in findings) and (yield from self._loops(exchange, turn)):
            return drifted(exchange, Code.LOOP)
        return findings

    def _renamed(self) -> list[Message]:
        """The history with ids of ours in place of the server's."""
        make = ids.STYLES[self.log.notes.get("ids", "openai")]
        names: dict[str, str] = {}
        for message in self.messages:
            for call in message.get("tool_calls") or ():
                names[call["id"]] = make(len(names), call["function"]["name"])
        return [_renamed(message, names) for message in self.messages]

    def _loops(self, exchange: Exchange, turn: int) -> Loops:
        """Whether the model makes a past call again and again, though the same results come again."""
        past = {tally([c])[0]: r for step in self.walk.steps[: turn - 1] for c, r in _paired(step)}
        messages, again, first = list(self.messages), exchange, _made(exchange)
        for _ in range(REPEATS - 1):
            made = _made(again)
            if not made or made != first or not set(made) <= past.keys():
                return False
            messages.append(self._said(again))
            messages += [result(call.id, dumps(past[key])) for call, key in zip(again.seen.calls, made, strict=True)]
            ask = replace(exchange.ask, body={**exchange.ask.body, "messages": messages})
            again = yield from one(self.setup, self.log, ask)
        return True

    def _end(self) -> Talk:
        """After `finish` words are due; one more call is only noted."""
        ask = replace(self._ask(len(self.walk.steps) + 1, Expect(calls=())), turn=None, of=None)
        exchange = yield from one(self.setup, self.log, ask)
        noted = [replace(f, severity="N") if f.code == Code.NEEDLESS_CALL else f for f in exchange.findings]
        self.log.keep(noted)


def _renamed(message: Message, names: dict[str, str]) -> Message:
    if message["role"] == "tool":
        return {**message, "tool_call_id": names.get(message["tool_call_id"], message["tool_call_id"])}
    if message.get("tool_calls"):
        return {**message, "tool_calls": [{**call, "id": names[call["id"]]} for call in message["tool_calls"]]}
    return message


def _paired(step: ledger.Step) -> list[tuple[tuple[str, dict[str, Any]], dict[str, Any]]]:
    return list(zip(step.calls, step.results, strict=True))


def _made(exchange: Exchange) -> list[str]:
    """The calls of a reply in its own order, each comparable with those of a step."""
    made = [argued(call, exchange.ask.tools.get(call.name)) for call in exchange.seen.calls]
    return [tally([(one.name, one.arguments)])[0] for one in made]
