"""Cuts a known call out of a rendered conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.toolformat.known_call import ANSWER, NAME, VALUE


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template made of one case: the conversation with the call, and with ANSWER in its place; else why not."""

    call: str = ""
    baseline: str = ""
    error: str = ""


def takes_tools(rendered: Sequence[Rendered]) -> bool:
    """Whether the tools that were given reach the prompt (the baselines hold no call)."""
    return any(NAME in one.baseline for one in rendered)


def written(rendered: Sequence[Rendered]) -> tuple[str, ...]:
    """The calls that hold name and value, in the order of `rendered`; () where the template leaves calls out."""
    texts = (cut(one.call, one.baseline) for one in rendered if one.call)
    return tuple(text for text in texts if NAME in text and VALUE in text)


def cut(call: str, baseline: str) -> str:
    """What stands in `call` where `baseline` has ANSWER. A tag that both begin with (`<|channel|>`) stays whole."""
    head, _, tail = baseline.partition(ANSWER)
    shared = next((i for i, (a, b) in enumerate(zip(call, head, strict=False)) if a != b), min(len(call), len(head)))
    if (opened := call.rfind("<", 0, shared)) > call.rfind(">", 0, shared):
        shared = opened
    rest = call[shared:]
    return (rest[: -len(tail)] if tail and rest.endswith(tail) else rest).strip()
