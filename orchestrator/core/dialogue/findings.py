"""Findings and verdicts: stable names, so scripts may match on them (reference: docs/probe.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class Culprit(StrEnum):
    PARSER = "parser"
    STREAM_PARSER = "stream_parser"
    TEMPLATE_OR_HISTORY = "template_or_history"
    SERVER = "server"
    CONTEXT = "context"
    MODEL_OR_QUANTIZATION = "model_or_quantization"
    GATEWAY = "gateway"
    UNKNOWN = "unknown"


Severity = Literal["F", "D", "N"]
"""F fails the verdict, D degrades it, N is a note."""


@dataclass(frozen=True, slots=True)
class Finding:
    """turn: 1-based turn of the episode, None outside an episode; evidence: request and raw reply, cut short."""

    code: str
    culprit: Culprit
    severity: Severity
    scenario: str
    text: str
    mend: str = ""
    turn: int | None = None
    streamed: bool = False
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Episode:
    """One walk over the ledger. arm: free_run (the model's own history), golden (ours) or raw (ours, past the server's
    parser); turns: those asked; failed: 1-based turn of the first F or D, None = clean as far as it went; code: of it.
    """

    arm: str
    seed: int
    turns: int
    failed: int | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """A streamed turn: prompt_tokens of all; new_tokens: those that the turn before did not have; first: seconds to
    the first token of any kind; cached: tokens of the prompt that the server says were in its cache, None if it says
    nothing."""

    turn: int
    prompt_tokens: int
    new_tokens: int
    first: float
    cached: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """turns: tool turns of the free run; clean_turns: those without an F or D finding; first_failure: 1-based."""

    model: str
    verdict: Literal["pass", "degraded", "fail"]
    turns: int
    clean_turns: int
    first_failure: int | None
    findings: tuple[Finding, ...] = ()
    tier: str = "quick"
    seconds: float = 0.0
    bound: str = ""
    skipped: tuple[str, ...] = ()
    transcript: tuple[dict[str, Any], ...] = ()
    episodes: tuple[Episode, ...] = ()
    pace: tuple[Pace, ...] = ()
