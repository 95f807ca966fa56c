"""What a probe is told beforehand: the model's name, what is known of its engine, and the size of the exercise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from orchestrator.core.backend import Can
from orchestrator.core.dialogue.wording import WORDS

EVENTS = ("pair", "retry", "recall")
FEWEST_TURNS = 20
"""The golden arm samples that turn."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """The size of the exercise; the self-test model's own are in `probe.json` beside its weights.

    alphabet: words of keys and nonces; events: what rotates into the walk, in turn; every: turns between two of them;
    skip: scenarios that are beyond the model (the verdict names them);
    max_tokens: limit of an ordinary reply; request_seconds: deadline of one request; together: requests at once;
    padding, extra_tools: words of padding and further tools that the full probe adds; episodes: its free runs.
    """

    alphabet: tuple[str, ...] = WORDS
    events: tuple[str, ...] = EVENTS
    skip: tuple[str, ...] = ()
    every: int = 8
    turns: int = 40
    max_tokens: int = 1024
    request_seconds: float = 120.0
    together: int = 2
    padding: int = 2000
    extra_tools: int = 24
    episodes: int = 5

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From JSON; keys that this version does not know are left out. Raises TypeError, ValueError on wrong types."""
        if not isinstance(values, Mapping):
            raise TypeError("not an object")
        known: dict[str, Any] = {}
        for one in fields(cls):
            if one.name in values:
                value, kind = values[one.name], type(getattr(cls(), one.name))
                known[one.name] = tuple(str(x) for x in value) if kind is tuple else kind(value)
        if unknown := set(known.get("events", ())) - set(EVENTS):
            raise ValueError(f"events: {sorted(unknown)} are not among {list(EVENTS)}")
        if len(set(known.get("alphabet", WORDS))) < 24:
            raise ValueError("alphabet: at least 24 different words")
        return cls(**known)

    def sized(self, size: Size) -> Parameters:
        """Longer or shorter runs than usual. Raises ValueError."""
        if size.turns is not None and size.turns < FEWEST_TURNS:
            raise ValueError(f"turns: at least {FEWEST_TURNS}")
        if size.episodes is not None and size.episodes < 1:
            raise ValueError("episodes: at least 1")
        return replace(self, turns=size.turns or self.turns, episodes=size.episodes or self.episodes)

    def limited(self, concurrency: int, max_tokens: int | None, context: int) -> Parameters:
        """No more at once than the engine serves, no longer replies than it gives or has room for beside the walk.

        context 0: not known (a server that somebody else runs)."""
        room = max(context // 4, 64) if context else self.max_tokens
        most = min(self.max_tokens, max_tokens or self.max_tokens, room)
        return replace(self, together=min(self.together, concurrency), max_tokens=most)


@dataclass(frozen=True, slots=True)
class Size:
    """What a person asks of a probe. None = as usual."""

    tier: str = "standard"
    seed: int | None = None
    turns: int | None = None
    episodes: int | None = None


Render = Callable[[Sequence[dict[str, Any]], Sequence[dict[str, Any]]], str]
"""(messages, tools) -> the prompt, as the model's own chat template writes it, up to where the model goes on."""


@dataclass(frozen=True, slots=True)
class Setup:
    """wire: how the template opens a call (`ToolPath.wire`), "" = unknown; can: None = nothing is known; render: None =
    the template is not at hand, so no raw arm; backend, parser: of the engine and as it was told, "" = unknown."""

    model: str
    seed: int = 0
    wire: str = ""
    can: Can | None = None
    parameters: Parameters = field(default_factory=Parameters)
    render: Render | None = None
    backend: str = ""
    parser: str = ""
