"""Training dialogues: walks of the ledger and short tasks, with the tools, system texts and histories engines give.

`python -m models.selftest.train.dialogues` prints a few, the trained parts in green.
"""

from __future__ import annotations

import random

from models.selftest.train.chat import PLAIN, Dialogue, Style, compact_json, segments, sorted_json, to_json
from models.selftest.train.short import Needs, short
from models.selftest.train.toolbox import KNOWN, offer, system, tool_json
from models.selftest.train.walk import PROBE, Mix, walk
from models.selftest.train.words import prose
from orchestrator.core.dialogue import wording

LEDGER = [each["function"]["name"] for each in wording.LEDGER]


def merged(parts: list[Needs]) -> Needs | None:
    """One need for several tasks; None when they exclude each other."""
    names = [name for part in parts for name in part.names]
    special = [tool for part in parts for tool in part.special]
    banned = {name for part in parts for name in part.banned}
    called = [tool["function"]["name"] for tool in special]
    if banned & set(names) or len(set(called)) < len(called):
        return None
    return Needs(names, special, banned)


def sample(rng: random.Random, calls: int = 0, brief: float = 0.0) -> Dialogue:
    """`calls` > 0: a walk of that many calls; 0: one to three short tasks. `brief`: chance of a walk without
    tools and with one line of instruction (cheap tokens for the start of training)."""
    while True:
        body, parts = Dialogue(), []
        if calls:
            if rng.random() < 0.05:
                parts.append(short(rng, body))
            walk(rng, body, calls, Mix.drawn(rng, brief))
            parts.append(Needs(LEDGER))
            if rng.random() < 0.08:
                parts.append(short(rng, body))
        else:
            parts = [short(rng, body) for _ in range(rng.choices([1, 2, 3], [6, 3, 1])[0])]
        needs = merged(parts)
        if needs is not None:
            break
    if not calls or rng.random() >= brief:
        named = needs.names and not calls and rng.random() < 0.1
        body.tools = (
            [KNOWN[name] for name in dict.fromkeys(needs.names)] + needs.special
            if named
            else offer(rng, needs.names, needs.special, needs.banned)
        )
    offered = [tool["function"]["name"] for tool in body.tools]
    text = system(rng, offered, [name for name in needs.names if name in offered])
    if text is not None:
        body.messages.insert(0, {"role": "system", "content": text})
    return body


def probe_episode(rng: random.Random, calls: int = 42, mix: Mix = PROBE) -> Dialogue:
    """A walk as the probe makes it: whole instruction, the probe's tools in order, up to four extra tools, a note."""
    out = Dialogue()
    walk(rng, out, calls, mix)
    out.tools = [*wording.LEDGER, *wording.DECOYS]
    for index in range(rng.choice([0, 0, 0, 4])):
        out.tools.append(wording.tool(f"extra_{index}", prose(rng, 2, 7), text=wording.STRING))
    return out


def style(rng: random.Random, dialogue: Dialogue) -> Style:
    """A fifth of the dialogues have a history that an engine wrote anew: those messages carry no loss."""
    tools = tool_json(rng)
    if rng.random() > 0.2:
        return Style(tools=tools)
    share = rng.choice([0.3, 0.7])
    spoken = [index for index, message in enumerate(dialogue.messages) if message["role"] == "assistant"]
    untrained = frozenset(index for index in spoken[:-1] if rng.random() < share)
    for index in untrained:
        message = dialogue.messages[index]
        if len(message.get("tool_calls", ())) > 1 and rng.random() < 0.5:
            message["content"] = "\n"
    return Style(tools, rng.choice([compact_json, compact_json, sorted_json, to_json]), untrained)


if __name__ == "__main__":
    source = random.Random(5)
    for length in (0, 0, 0, 0, 6):
        shown = sample(source, length)
        text = (f"\x1b[32m{s.text}\x1b[0m" if s.trained else s.text for s in segments(shown, style(source, shown)))
        print("".join(text), "=" * 60, sep="\n")
    print("".join(each.text for each in segments(probe_episode(source, 12), PLAIN)))
