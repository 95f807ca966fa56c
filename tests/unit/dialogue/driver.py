"""Drives a whole dialogue against the fake engine's own answers, in this process: no sockets, no clock."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.core.dialogue.ask import Ask, Log
from orchestrator.core.dialogue.conclude import conclude
from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.dialogue.reply import Ending, Reply
from orchestrator.core.dialogue.setup import Setup
from orchestrator.core.dialogue.tiers import TIERS, Tier, dialogue

FAKES = Path(__file__).parents[2] / "fakes"
sys.path.insert(0, str(FAKES))

import engine_faults  # noqa: E402
import engine_replies  # noqa: E402
import engine_wires  # noqa: E402

LIMIT = 4 << 20
HERMES = "<tool_call>{json}"
Style: Any = engine_replies.Style
WIRES: Any = engine_wires.WIRES
FAULTS: tuple[str, ...] = tuple(engine_faults.FAULTS)


def answered(ask: Ask, style: Any) -> Reply:
    make = engine_replies.completion if ask.path == "/completions" else engine_replies.reply
    answer = make(ask.payload, style)
    raw = b"".join(answer.parts)
    ending: Ending = "cut" if answer.cut else "complete"
    ending = "deadline" if answer.delay > 60 else "too_large" if len(raw) > LIMIT else ending
    return Reply(answer.status, {"content-type": answer.content_type}, raw[:LIMIT], ending, first=answer.delay)


def as_prompt(messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> str:
    """The fake engine's chat template: the request itself."""
    return json.dumps({"messages": list(messages), "tools": list(tools)})


def drive(style: Any, tier: Tier = "quick", **setup: Any) -> tuple[Verdict, Log]:
    """A tier on an engine of that style."""
    made, log = Setup("fake", **{"wire": HERMES, "render": as_prompt, **setup}), Log()
    talk = dialogue(made, TIERS[tier], log)
    try:
        batch = next(talk)
        while True:
            batch = talk.send([answered(ask, style) for ask in batch])
    except StopIteration:
        return conclude(log, "fake", tier), log


def told(verdict: Verdict) -> list[tuple[str, str, str]]:
    """(code, culprit, severity) of every finding that is more than a note."""
    return [(f.code, f.culprit.value, f.severity) for f in verdict.findings if f.severity != "N"]
