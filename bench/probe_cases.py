"""What is put into the fake engine, and what the probe has to say of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from engine_wires import WIRES

from orchestrator.core.dialogue.codes import TABLE, Code

LATER = 6
"""The turn at which a fault begins that does not begin at the first."""


@dataclass(frozen=True)
class Row:
    """A failure mode. later: it can begin at a later turn; streamed: as what it must be named in streamed replies only,
    "" = the same, None = there is no such case; wires: formats in which it can occur, () = all; note: it is a note;
    options: of the engine; pair: names that no evidence from outside can tell apart from its own (docs/probe.md)."""

    code: str
    later: bool = False
    streamed: str | None = None
    wires: tuple[str, ...] = ()
    note: bool = False
    tier: str = "quick"
    options: tuple[str, ...] = ()
    pair: tuple[str, ...] = ()


STYLED = ("kimi", "mistral")
"""Formats whose engines give ids of a style of their own."""
LEAK, DIFFERS = "mismatch_masked (parser)", "stream_differs (stream_parser)"
ROWS = (
    Row("markup_in_content", later=True, streamed=LEAK),
    Row("stream_differs", later=True),
    Row("mismatch_masked", later=True),
    Row("call_resent"),
    Row("index_collision"),
    Row("parallel_lost", streamed=DIFFERS),
    Row("silent_drop", later=True, streamed=DIFFERS),
    Row("finish_without_calls", later=True, streamed=DIFFERS),
    Row("truncation_hidden", streamed=""),
    Row("stop_with_calls", later=True, streamed=""),
    Row("empty_args_lost", streamed=DIFFERS),
    Row("id_rejected"),
    Row("id_format", wires=("kimi",)),
    Row("double_encoded", later=True, streamed=DIFFERS),
    Row("nested_stringified"),
    Row("value_cut_at_tag"),
    Row("call_in_reasoning", later=True, streamed=DIFFERS),
    Row("name_corrupted", later=True, streamed=DIFFERS),
    Row("null_content_rejected"),
    Row("history_poisoning", wires=tuple(name for name in WIRES if name != "kimi")),
    Row("depth_drift"),
    Row("context_drift", tier="full"),
    Row("loop"),
    Row("cache_cold", note=True, tier="full", options=("--prefill", "0.15")),
)
HEALTHY: tuple[tuple[str, ...], ...] = (
    (),
    ("--chunk", "char"),
    ("--chunk", "whole", "--ids", "uuid"),
    ("--ids", "mistral", "--content", "absent"),
    ("--ids", "kimi", "--chunk", "whole"),
    ("--content", "whitespace", "--sse", "crlf", "--chunk", "whole"),
    ("--content", "empty", "--ids", "mistral"),
    ("--content", "text"),
    ("--reasoning", "9", "--chunk", "char"),
    ("--reasoning", "1500", "--chunk", "whole"),
    ("--strict-fields",),
    ("--no-usage", "--content", "whitespace"),
    ("--sse", "comments", "--ids", "uuid"),
    ("--sse", "glued", "--reasoning", "9", "--content", "text"),
    ("--token-delay", "0.0005"),
    ("--prefill", "0.15"),
    ("--prefill", "0.15", "--cached-tokens"),
)


@dataclass(frozen=True)
class Case:
    """expected: `code (culprit)`, any of them alone."""

    wire: str
    format: str
    fault: str
    expected: tuple[str, ...]
    tier: str
    seed: int
    more: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        return ("--fault", self.fault, "--wire", self.format, *self.more)

    def is_named_by(self, told: Sequence[str]) -> bool:
        return len(told) == 1 and told[0] in self.expected

    def __str__(self) -> str:
        return f"{self.fault} in {self.format}, {self.tier}, seed {self.seed}"


def cases(row: Row, formats: Sequence[str]) -> Iterator[Case]:
    own = f"{row.code} ({TABLE[Code(row.code)].culprit.value})"
    for seed, name in enumerate(row.wires or formats, 1):
        wire = WIRES[name][0]
        more = (*row.options, *(("--ids", name) if name in STYLED and row.code != "id_format" else ()))
        expected = (own, *row.pair)
        yield Case(wire, name, row.code, expected, row.tier, seed, more)
        if row.later:
            yield Case(wire, name, f"{row.code}@{LATER}", expected, "standard", seed, more)
        if row.streamed is not None:
            said = (row.streamed,) if row.streamed else expected
            yield Case(wire, name, f"{row.code}:streamed", said, row.tier, seed, more)


def as_prompt(messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> str:
    """The fake engine's chat template: the request itself."""
    return json.dumps({"messages": list(messages), "tools": list(tools)})
