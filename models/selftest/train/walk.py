"""The ledger walk of the probe with its rotating steps: error and retry, a pair, recall of an early nonce, a note."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.selftest.train.chat import Dialogue, ToJson, compact_json, to_json
from models.selftest.train.words import namer, prose
from orchestrator.core.dialogue import wording


@dataclass(frozen=True)
class Mix:
    """How often, per result, each step rotates in (probabilities), and how a walk may differ from the probe's."""

    error: float = 0.08
    pair: float = 0.12
    recall: float = 0.15
    note: float = 0.0
    note_words: int = 0
    odd: float = 0.0
    brief: float = 0.0

    @staticmethod
    def drawn(rng: random.Random, brief: float) -> Mix:
        """A mix for one training walk; `brief` = chance of an instruction cut to its first line."""
        kind = rng.random()
        if kind < 0.2:
            return Mix(0.0, 0.0, 0.0, 0.0, 0, 0.1, brief)
        if kind < 0.5:
            return DRILL
        noted = rng.random() < 0.3
        return Mix(
            error=rng.choice([0.05, 0.1, 0.25]),
            pair=rng.choice([0.08, 0.15, 0.3]),
            recall=rng.choice([0.1, 0.2, 0.35]),
            note=rng.choice([0.03, 0.08]) if noted else 0.0,
            note_words=rng.choice([8, 30, 100, 200]) if noted else 0,
            odd=0.08,
            brief=brief,
        )


DRILL = Mix(error=0.1, pair=0.4, recall=0.4, brief=0.7)
"""Almost only pairs and recalls: at the rate of the probe a model of this size does not learn them in an hour."""
RETRIES = Mix(error=0.06, pair=0.0, recall=0.0)
PROBE = Mix(error=0.04, pair=0.08, recall=0.08, note=0.04, note_words=200)


class Walk:
    """Writes one walk into a dialogue. `pairs` holds what results said: next_key -> nonce."""

    def __init__(self, rng: random.Random, dialogue: Dialogue, mix: Mix, dump: ToJson) -> None:
        self.rng, self.dialogue, self.mix, self.dump = rng, dialogue, mix, dump
        self.names: Callable[[int], list[str]] = namer(rng, mix.odd)
        self.pairs: dict[str, str] = {}
        self.call: tuple[str, dict[str, str]] = ("read_cell", {"key": self.names(1)[0]})
        self.step = "read"

    def instruction(self) -> str:
        text = wording.WALK.format(key=self.call[1]["key"])
        lines = text.split("\n")
        draw = self.rng.random()
        if draw < self.mix.brief:
            return lines[0]
        if self.mix.odd and draw > 0.96:
            lines[1:] = self.rng.sample(lines[1:], len(lines) - 1)
            return "\n".join(lines)
        return text

    def answer(self, content: dict[str, Any]) -> None:
        """A tool result, sometimes with a note that is to be ignored."""
        if self.rng.random() < self.mix.note:
            text = prose(self.rng, max(1, self.mix.note_words // 3), self.mix.note_words)
            place = self.rng.choice([0, len(content), len(content), len(content)])
            items = list(content.items())
            content = dict([*items[:place], ("note", text), *items[place:]])
        self.dialogue.result(content, self.dump)

    def came(self, key: str, nonce: str) -> None:
        self.pairs.setdefault(key, nonce)

    def read_result(self, make: Callable[[dict[str, Any]], None]) -> None:
        value, key, nonce = self.names(3)
        make({"value": value, "next_key": key, "nonce": nonce})
        self.came(key, nonce)
        self.call, self.step = ("write_cell", {"key": key, "value": value, "prev_nonce": nonce}), "write"

    def pair_result(self, then_read: bool = True) -> None:
        """Two keys at once, both read in one message; the second one goes on (or ends: then no result of its own)."""
        first, second = self.names(2)
        self.answer({"ok": True, "next_keys": [first, second]})
        self.dialogue.calls([("read_cell", {"key": first}), ("read_cell", {"key": second})], "pair")
        self.dialogue.result({"ok": True}, self.dump)
        if not then_read:
            return
        self.read_result(lambda content: self.dialogue.result(content, self.dump))
        self.step = "write_after_pair"

    def turn(self) -> int:
        """One call and its result; returns the number of assistant messages."""
        self.dialogue.calls([self.call], self.step)
        tool, args = self.call
        draw, mix = self.rng.random(), self.mix
        if draw < mix.error:
            key = self.names(1)[0]
            self.answer({"error": self.rng.choice(["moved"] * 9 + ["busy"]), "use_key": key})
            self.call, self.step = (tool, {**args, "key": key}), "retry"
        elif tool == "read_cell":
            self.read_result(self.answer)
        elif draw < mix.error + mix.pair:
            self.pair_result()
            return 2
        elif draw < mix.error + mix.pair + mix.recall and self.pairs:
            key = self.recalled()
            self.answer({"ok": True, "recall": key})
            self.call, self.step = ("confirm", {"key": key, "nonce": self.pairs[key]}), "recall"
        else:
            key, nonce = self.names(2)
            self.answer({"ok": True, "next_key": key, "nonce": nonce})
            self.came(key, nonce)
            self.call, self.step = ("read_cell", {"key": key}), "read"
        return 1

    def recalled(self) -> str:
        """A key whose nonce is known: an early one half of the time, else any."""
        known = list(self.pairs)
        return self.rng.choice(known[: max(1, len(known) // 3)] if self.rng.random() < 0.5 else known)

    def run(self, calls: int) -> None:
        """`calls` messages that call tools, the last of which is finish."""
        self.dialogue.user(self.instruction())
        done = 0
        while done < calls - 2:
            done += self.turn()
        self.dialogue.calls([self.call], self.step)
        if self.call[0] != "read_cell" and self.rng.random() < self.mix.pair:
            self.pair_result(then_read=False)
        checksum = self.names(1)[0]
        self.dialogue.result({"done": True, "checksum": checksum}, self.dump)
        self.dialogue.calls([("finish", {"checksum": checksum})], "finish")
        self.dialogue.result({"ok": True}, self.dump)
        self.dialogue.says(wording.DONE, "done")


def walk(rng: random.Random, dialogue: Dialogue, calls: int, mix: Mix) -> None:
    dump = compact_json if mix.odd and rng.random() < 0.06 else to_json
    Walk(rng, dialogue, mix, dump).run(max(calls, 2))
