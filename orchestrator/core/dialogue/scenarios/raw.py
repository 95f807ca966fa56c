"""L2, raw arm: the golden history as a prompt of ours, past the server's template and parser. What is right here and
wrong at the API is the parser's; what is wrong in both is the model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from orchestrator.core.dialogue import ids, ledger, markers
from orchestrator.core.dialogue.ask import Ask, Expect, Log, Talk
from orchestrator.core.dialogue.codes import LOST, TABLE, Code
from orchestrator.core.dialogue.findings import Culprit, Finding
from orchestrator.core.dialogue.rawcalls import READERS
from orchestrator.core.dialogue.scenarios.golden import TURNS, long_walk
from orchestrator.core.dialogue.setup import Render, Setup
from orchestrator.core.dialogue.talk import one

COMPLETIONS = "/completions"


def raw(setup: Setup, log: Log) -> Talk:
    """The turns of the golden arm. Left out, by name, where the template or a reader of its format is not at hand."""
    render = setup.render
    if render is None or setup.wire not in READERS:
        log.skipped.append("raw arm: the chat template is not at hand" if render is None else "raw arm: unknown format")
        return
    right: dict[int, bool] = {}
    for turn in TURNS:
        exchange = yield from one(setup, log, _ask(setup, log, render, turn))
        if not exchange.accepted:
            log.skipped.append(f"raw arm: /v1/completions answers {exchange.reply.status or exchange.reply.ending}")
            break
        if not exchange.seen.calls and _incomplete(exchange.seen.content, exchange.ask.expect.calls or ()):
            log.skipped.append("raw arm: /v1/completions does not give what the model wrote")
            break
        right[turn] = exchange.right
    log.findings[:] = [_blamed(found, right) for found in log.findings]


def _incomplete(text: str, wanted: Sequence[tuple[str, Any]]) -> bool:
    """mlx-lm takes calls out of the text here, too; an engine that strips control tokens leaves a call without them."""
    named = any(name in text for name, _ in wanted)
    return not text.strip() or (named and markers.markup(text) == "")


def _ask(setup: Setup, log: Log, render: Render, turn: int) -> Ask:
    walk, size = long_walk(setup), setup.parameters
    messages = walk.history(turn - 1, ids.STYLES[log.notes.get("ids", "openai")])
    prompt = render(messages, list(ledger.TOOLS))
    body = {"model": setup.model, "prompt": prompt, "temperature": 0, "max_tokens": size.max_tokens}
    step = walk.steps[turn - 1]
    # some engines leave control tokens, and so the envelope of a call, out of the text unless told not to
    sent = {**body, "skip_special_tokens": False}
    expect = Expect(calls=step.calls)
    return Ask("raw", sent, expect, turn=turn, of=size.turns, step=step.kind, path=COMPLETIONS)


def _blamed(found: Finding, right: dict[int, bool]) -> Finding:
    """A golden turn that the API spoilt: the raw text tells by whom."""
    known = found.turn in right and found.scenario == "golden"
    if not known or found.code not in LOST | {Code.DEPTH_DRIFT, Code.LOOP} or found.culprit == Culprit.STREAM_PARSER:
        return found
    if not right[found.turn or 0]:
        return replace(found, culprit=Culprit.MODEL_OR_QUANTIZATION, text=f"{found.text}; the raw text is as wrong")
    code = Code.WRONG_CALL if found.code in (Code.DEPTH_DRIFT, Code.LOOP) else Code(found.code)
    text = f"{found.text}; the raw text of the model holds the right call"
    mend = TABLE[Code.MARKUP_IN_CONTENT].mend
    return replace(found, code=code.value, culprit=Culprit.PARSER, severity="F", text=text, mend=found.mend or mend)
