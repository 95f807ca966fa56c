"""Requests with what is expected of their replies, and what was made of them."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.dialogue.findings import Episode, Finding, Pace
from orchestrator.core.dialogue.reply import Reply, Seen

Message = dict[str, Any]
Wanted = tuple[tuple[str, dict[str, Any]], ...]
"""The calls that must come, as (name, arguments), in any order."""


OPTIONAL = ("parallel_tool_calls", "skip_special_tokens")


@dataclass(frozen=True, slots=True)
class Expect:
    """calls: None = whatever comes; loose: `Paris, France` will do for `Paris`; text: exact answer, None = whatever;
    finish: accepted reasons beside the natural one; markers: whether call markup in visible text is judged;
    form: False = only whether the request is accepted."""

    calls: Wanted | None = None
    loose: bool = False
    text: str | None = None
    finish: tuple[str, ...] = ()
    markers: bool = True
    form: bool = True


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. body: an OpenAI chat body without `stream`; turn: 1-based turn of an episode, None outside one;
    of: turns of that episode; step: the kind of this step of the walk; lean: without fields that not all servers know;
    patient: a busy server (429, 503) is asked again; path: of the API; /completions takes a rendered prompt."""

    scenario: str
    body: dict[str, Any]
    expect: Expect
    streamed: bool = False
    turn: int | None = None
    of: int | None = None
    step: str = ""
    lean: bool = False
    patient: bool = True
    path: str = "/chat/completions"

    @property
    def payload(self) -> dict[str, Any]:
        """The body to send."""
        kept = {name: value for name, value in self.body.items() if not self.lean or name not in OPTIONAL}
        options = {"stream_options": {"include_usage": True}} if self.streamed and not self.lean else {}
        return {**kept, "stream": self.streamed, **options}

    @property
    def tools(self) -> dict[str, dict[str, Any]]:
        return {tool["function"]["name"]: tool for tool in self.body.get("tools") or ()}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, its reply and what the judge says. right: the expected calls or text came."""

    ask: Ask
    reply: Reply
    seen: Seen
    findings: tuple[Finding, ...] = ()
    right: bool = True

    @property
    def accepted(self) -> bool:
        return 200 <= self.reply.status < 300 and self.reply.ending == "complete"


@dataclass(frozen=True, slots=True)
class Turn:
    """What watchers see of one exchange. number: ordinal of the request in the probe, from 1; turn, of: of an episode;
    text: the call made, or what went wrong; seconds: the engine's time."""

    number: int
    scenario: str
    turn: int | None
    of: int | None
    streamed: bool
    ok: bool
    text: str
    seconds: float = 0.0


Batch = tuple[Ask, ...]
Replies = Sequence[Reply]
Talk = Generator[Batch, Replies, None]
"""A scenario: yields requests (those of one batch go out together) and receives their replies in the same order."""


@dataclass(slots=True)
class Log:
    """What has been seen so far: the only mutable part of a dialogue. `first_failure` is of the counted free run."""

    findings: list[Finding] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    counted: int = 0
    clean: int = 0
    first_failure: int | None = None
    transcript: tuple[dict[str, Any], ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    silent: int = 0
    skipped: list[str] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)
    pace: list[Pace] = field(default_factory=list)

    def keep(self, findings: Iterable[Finding]) -> None:
        self.findings.extend(findings)


def body(setup_model: str, messages: Sequence[Message], max_tokens: int, **more: Any) -> dict[str, Any]:
    """A chat body at temperature 0; `more`: tools, tool_choice, ..."""
    return {"model": setup_model, "messages": list(messages), "temperature": 0, "max_tokens": max_tokens, **more}


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def called(calls: Sequence[tuple[str, str, str]], content: str | None = "") -> Message:
    """An assistant message with calls as (id, name, arguments as text)."""
    made = [
        {"id": one, "type": "function", "function": {"name": name, "arguments": arguments}}
        for one, name, arguments in calls
    ]
    return {"role": "assistant", "content": content, "tool_calls": made}


def result(call_id: str, text: str) -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": text}


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
