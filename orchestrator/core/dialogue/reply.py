"""What came back for one request: bytes and times as the executor saw them, no judgement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Ending = Literal["complete", "cut", "deadline", "too_large", "refused"]
"""cut: the connection broke; deadline: time was up; too_large: we stopped reading; refused: no connection at all."""


@dataclass(frozen=True, slots=True)
class Reply:
    """headers: lower-case names; raw: at most the executor's limit; seconds: in all; first: to the first byte;
    marks: (bytes that had come, seconds) of the first pieces, for the time to the first token."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""
    ending: Ending = "complete"
    problem: str = ""
    seconds: float = 0.0
    first: float = 0.0
    marks: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call as a client would assemble it; arguments: the text, not decoded."""

    index: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Defect:
    """Something wrong with the form of a reply. code: a value of `codes.Code`."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A reply decoded. finish: the last finish_reason, None if none came; tokens None where usage is absent;
    cached_tokens: those of the prompt that the server says it took from its cache."""

    content: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int | None = None
    defects: tuple[Defect, ...] = ()
