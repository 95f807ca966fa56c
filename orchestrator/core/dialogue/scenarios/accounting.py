"""L0: does what we send reach the prompt? One token is asked for; prompt_tokens must rise with what is added."""

from __future__ import annotations

from orchestrator.core.dialogue import ids, ledger
from orchestrator.core.dialogue.ask import Ask, Exchange, Expect, Log, Message, Talk, body, called, dumps, result
from orchestrator.core.dialogue.codes import Code
from orchestrator.core.dialogue.judge import finding
from orchestrator.core.dialogue.setup import Setup
from orchestrator.core.dialogue.talk import one

NAME = "accounting"
LONG = " ".join(["and then some more of the same"] * 8)


def accounting(setup: Setup, log: Log) -> Talk:
    step = ledger.walk(setup.seed, 4, {})
    start, made, came = step.history(1, ids.STYLES[log.notes.get("ids", "openai")])
    call_id, (name, arguments) = made["tool_calls"][0]["id"], step.steps[0].calls[0]

    def ask(messages: list[Message], tools: bool = True) -> Ask:
        more = {"tools": list(ledger.TOOLS)} if tools else {}
        return Ask(NAME, body(setup.model, messages, 1, **more), Expect(form=False))

    bare = yield from one(setup, log, ask([start], tools=False))
    offered = yield from one(setup, log, ask([start]))
    base = yield from one(setup, log, ask([start, made, came]))
    long_result = result(call_id, dumps({**step.steps[0].results[0], "value": LONG}))
    resulted = yield from one(setup, log, ask([start, made, long_result]))
    long_call = called([(call_id, name, dumps({**arguments, "key": LONG}))])
    argued = yield from one(setup, log, ask([start, long_call, came]))

    every = (bare, offered, base, resulted, argued)
    for exchange in every:
        log.keep(exchange.findings)
    if any(x.accepted and not x.findings and x.seen.prompt_tokens is None for x in every):
        log.keep([finding(offered.ask, offered.reply, Code.USAGE_ABSENT, "usage.prompt_tokens is absent: not counted")])
        return
    _same(log, bare, offered, Code.TOOLS_DISCARDED, "tools are added to the request")
    _same(log, base, resulted, Code.HISTORY_DISCARDED, "a tool result grows")
    _same(log, base, argued, Code.HISTORY_DISCARDED, "the arguments of a past call grow")


def _same(log: Log, less: Exchange, more: Exchange, code: Code, what: str) -> None:
    """Only zero change proves it: fewer tokens mean that the server leaves cached ones out of its count."""
    if not (less.accepted and more.accepted):
        return
    count = less.seen.prompt_tokens
    if count is not None and count == more.seen.prompt_tokens:
        log.keep([finding(more.ask, more.reply, code, f"prompt_tokens stays {count} when {what}")])
