"""L2, one factor at a time: a turn that is right as it is, with much more text in its history, then with more tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from orchestrator.core.dialogue import wording
from orchestrator.core.dialogue.ask import Ask, Log, Message, Talk, dumps
from orchestrator.core.dialogue.codes import LOST, TABLE, Code
from orchestrator.core.dialogue.pick import filler
from orchestrator.core.dialogue.scenarios.golden import ask_at, long_walk
from orchestrator.core.dialogue.setup import Setup
from orchestrator.core.dialogue.talk import one

TURN = 3


def context(setup: Setup, log: Log) -> Talk:
    """Wrong twice with one factor more, and right without it: the context is to blame. A server that fails the plain
    turn is not asked further: other scenarios say why."""
    size, walk = setup.parameters, long_walk(setup)
    plain = yield from one(setup, log, ask_at(setup, log, walk, TURN, "context", streamed=False))
    if not plain.right:
        return
    factors: dict[str, Callable[[Ask], Ask]] = {
        f"{size.padding} words of padding": lambda ask: padded(ask, setup.seed, size.padding),
        f"{size.extra_tools} more tools": lambda ask: crowded(ask, setup.seed, size.extra_tools),
    }
    for name, change in factors.items():
        first = yield from one(setup, log, change(plain.ask))
        if first.right or not first.accepted:
            if not first.accepted:
                log.skipped.append(f"context: {name}: HTTP {first.reply.status or first.reply.ending}")
            continue
        second = yield from one(setup, log, change(plain.ask))
        bad = next((f for f in second.findings if f.code in LOST), None)
        if second.right or bad is None:
            continue
        row, text = TABLE[Code.CONTEXT_DRIFT], f"right without, wrong with {name}: {bad.text}"
        changed = replace(bad, code=Code.CONTEXT_DRIFT.value, culprit=row.culprit, severity=row.severity)
        log.keep([replace(changed, text=text, mend=row.mend)])


def padded(ask: Ask, seed: int, words: int) -> Ask:
    """A note of so many words in the first tool result."""
    messages: list[Message] = list(ask.body["messages"])
    at = next(i for i, message in enumerate(messages) if message["role"] == "tool")
    said = {**json.loads(messages[at]["content"]), "note": filler(seed, words)}
    messages[at] = {**messages[at], "content": dumps(said)}
    return replace(ask, body={**ask.body, "messages": messages})


def crowded(ask: Ask, seed: int, count: int) -> Ask:
    """So many further tools, which nothing asks for."""
    more = [
        wording.tool(f"extra_{i}", filler(seed + i, 5).capitalize() + ".", text=wording.STRING) for i in range(count)
    ]
    return replace(ask, body={**ask.body, "tools": [*ask.body["tools"], *more]})
