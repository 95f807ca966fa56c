"""L2, golden arm: a correct history that we wrote, of which just one turn is sampled."""

from __future__ import annotations

from orchestrator.core.dialogue import ids, ledger
from orchestrator.core.dialogue.ask import Ask, Expect, Log, Message, Talk, body
from orchestrator.core.dialogue.confirm import checked, drifted
from orchestrator.core.dialogue.setup import Setup

TURNS = (1, 5, 20)
DEEP = (2, 10, 30, 40)
"""What the full tier samples beside these."""


def golden(setup: Setup, log: Log) -> Talk:
    """Streamed and not in turn. Notes: `golden`, whether the first turn is right."""
    yield from _sampled(setup, log, TURNS)


def golden_deep(setup: Setup, log: Log) -> Talk:
    yield from _sampled(setup, log, tuple(turn for turn in DEEP if turn <= setup.parameters.turns))


def _sampled(setup: Setup, log: Log, turns: tuple[int, ...]) -> Talk:
    walk = long_walk(setup)
    for place, turn in enumerate(turns):
        exchange = yield from checked(setup, log, ask_at(setup, log, walk, turn, "golden", streamed=place % 2 == 0))
        if turn == 1:
            log.notes["golden"] = exchange.right
        log.keep(exchange.findings if turn == 1 or not log.notes.get("golden", True) else drifted(exchange))


def long_walk(setup: Setup) -> ledger.Walk:
    size = setup.parameters
    return ledger.walk(setup.seed, size.turns, ledger.rotation(size.turns, size.every, size.events), size.alphabet)


def ask_at(setup: Setup, log: Log, walk: ledger.Walk, turn: int, scenario: str, *, streamed: bool) -> Ask:
    """A request for the given turn of the walk, all earlier ones as they should have been."""
    messages: list[Message] = walk.history(turn - 1, ids.STYLES[log.notes.get("ids", "openai")])
    more = {"tools": list(ledger.TOOLS), "parallel_tool_calls": True}
    sent = body(setup.model, messages, setup.parameters.max_tokens, **more)
    step = walk.steps[turn - 1]
    return Ask(scenario, sent, Expect(calls=step.calls), streamed, turn, len(walk.steps), step=step.kind)
