"""The ledger: a walk written in advance from a seed, in which each call must carry what the last result said."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core.dialogue import wording
from orchestrator.core.dialogue.ask import Message, Wanted, called, dumps, result, user

MakeId = Callable[[int, str], str]
"""(ordinal of the call in the conversation, its tool's name) -> id."""
TOOLS = (*wording.LEDGER, *wording.DECOYS)


@dataclass(frozen=True, slots=True)
class Step:
    """One turn: the calls that must come, and the result of each. kind: read, write, pair, retry, recall or finish."""

    kind: str
    calls: Wanted
    results: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """prompt: the user's message; the last step is `finish`, after which the model says that it is done."""

    prompt: str
    steps: tuple[Step, ...]

    def history(self, turns: int, make_id: MakeId, content: str | None = "") -> list[Message]:
        """The messages before turn `turns` + 1, as a correct client would have them."""
        messages, ordinal = [user(self.prompt)], 0
        for step in self.steps[:turns]:
            ids = [make_id(ordinal + i, name) for i, (name, _) in enumerate(step.calls)]
            ordinal += len(ids)
            made = [(one, name, dumps(args)) for one, (name, args) in zip(ids, step.calls, strict=True)]
            messages.append(called(made, content))
            messages += [result(one, dumps(value)) for one, value in zip(ids, step.results, strict=True)]
        return messages


class Names:
    """Keys, values and nonces: two words and two digits, never the same twice, no word twice in one result."""

    def __init__(self, rng: random.Random, words: tuple[str, ...]) -> None:
        self._rng, self._words = rng, words
        self._used: set[str] = set()

    def take(self, count: int) -> list[str]:
        while True:
            words = self._rng.sample(self._words, 2 * count)
            taken = [f"{a}-{b}-{self._rng.randrange(100):02d}" for a, b in zip(words[::2], words[1::2], strict=True)]
            if self._used.isdisjoint(taken):
                self._used.update(taken)
                return taken


def walk(seed: int, turns: int, events: Mapping[int, str], words: tuple[str, ...] = wording.WORDS) -> Walk:
    """`turns` turns (at least 3), the last one `finish`. events: turn -> pair | retry | recall; one that cannot happen
    there (a pair and a recall follow a write or confirm) happens at the next turn where it can."""
    rng = random.Random(seed)
    return _Writer(rng, Names(rng, words), dict(events)).write(turns)


class _Writer:
    """Writes step after step: the result of each decides the next call."""

    def __init__(self, rng: random.Random, names: Names, events: dict[int, str]) -> None:
        self.rng, self.names, self.events = rng, names, events
        self.nonces: dict[str, str] = {}
        self.steps: list[Step] = []

    def write(self, turns: int) -> Walk:
        start = self.names.take(1)[0]
        kind, calls = "read", self._calls("read_cell", key=start)
        while len(self.steps) < turns - 2:
            step, following = self._step(kind, calls)
            self.steps.append(step)
            kind, calls = following
        checksum = self.names.take(1)[0]
        self.steps.append(Step(kind, calls, self._ends(kind, {"done": True, "checksum": checksum})))
        self.steps.append(Step("finish", self._calls("finish", checksum=checksum), ({"ok": True},)))
        return Walk(wording.WALK.format(key=start), tuple(self.steps))

    @staticmethod
    def _calls(name: str, **arguments: str) -> Wanted:
        return ((name, arguments),)

    @staticmethod
    def _ends(kind: str, value: dict[str, Any]) -> tuple[dict[str, Any], ...]:
        """A pair's first result says nothing, its second one goes on."""
        return ({"ok": True}, value) if kind == "pair" else (value,)

    def _step(self, kind: str, calls: Wanted) -> tuple[Step, tuple[str, Wanted]]:
        name, arguments = calls[-1]
        event = self._due(name, kind)
        if event == "retry":
            key = self.names.take(1)[0]
            step = Step(kind, calls, ({"error": "moved", "use_key": key},))
            return step, ("retry", self._calls(name, **{**arguments, "key": key}))
        if event == "pair":
            first, second = self.names.take(2)
            step = Step(kind, calls, ({"ok": True, "next_keys": [first, second]},))
            return step, ("pair", (("read_cell", {"key": first}), ("read_cell", {"key": second})))
        if event == "recall":
            key = self._early()
            step = Step(kind, calls, ({"ok": True, "recall": key},))
            return step, ("recall", self._calls("confirm", key=key, nonce=self.nonces[key]))
        if name == "read_cell":
            value, key, nonce = self.names.take(3)
            said, following = {"value": value, "next_key": key, "nonce": nonce}, ("write", key, value, nonce)
            self.nonces[key] = nonce
            write = self._calls("write_cell", key=following[1], value=following[2], prev_nonce=following[3])
            return Step(kind, calls, self._ends(kind, said)), ("write", write)
        key, nonce = self.names.take(2)
        self.nonces[key] = nonce
        step = Step(kind, calls, ({"ok": True, "next_key": key, "nonce": nonce},))
        return step, ("read", self._calls("read_cell", key=key))

    def _due(self, name: str, kind: str) -> str:
        """The event that comes with the next turn, if it may follow this call."""
        for turn in sorted(self.events):
            if turn > len(self.steps) + 2:
                break
            event = self.events[turn]
            fits = kind not in ("pair", "retry") if event == "retry" else name != "read_cell"
            if fits and (event != "recall" or self.nonces):
                return self.events.pop(turn)
        return ""

    def _early(self) -> str:
        """A key of the first third of those whose nonce was said."""
        known = list(self.nonces)
        return self.rng.choice(known[: max(1, len(known) // 3)])


def rotation(turns: int, every: int, kinds: tuple[str, ...]) -> dict[int, str]:
    """Turn -> event: one every so many turns, each kind in its turn."""
    places = range(every, turns, every)
    return {turn: kinds[i % len(kinds)] for i, turn in enumerate(places)} if kinds else {}
