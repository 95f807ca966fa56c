"""Text by which the wire formats of tool calls open, and who reads them (core/families.py, docs/probe.md)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from orchestrator.core.families import FAMILIES

MARKERS = (
    "<function=",
    "<arg_key>",
    "<|tool_call>",
    "<|tool_call|>",
    "<minimax:tool_call>",
    "<seed:tool_call>",
    "<start_function_call>",
    "<|tool_calls_section_begin|>",
    "<|tool_call_begin|>",
    "<|tool_call_start|>",
    "<|tool_list_start|>",
    "<｜tool▁call",
    "<｜DSML｜",
    "[TOOL_CALLS]",
    "<|python_tag|>",
    "<|channel|>",
    "<|call|>",
    "<tool_call>",
)
"""What opens a call; the more special first, because families share `<tool_call>`."""

BARE = "a bare JSON call"
CONTROL = ("<|", "|>", "<｜", "｜>", "</", "<tool", "<function", "[/")


def markup(text: str, names: Iterable[str] = ()) -> str:
    """The first marker of a call in `text`, BARE for a JSON call of a declared tool without one, "" if none."""
    return next((marker for marker in MARKERS if marker in text), "") or _bare(text, set(names))


def own(marker: str, wire: str) -> bool:
    """Whether a template of that wire format (`ToolPath.wire`) writes this marker; True where nothing is known.

    Several families write a bare JSON call, so that one is always the template's own."""
    return not wire or marker == BARE or marker in wire


def parsers(marker: str, wire: str = "") -> str:
    """`vllm: hermes, vllm-mlx: hermes`: who reads calls that open so; "" if nobody is known."""
    return ", ".join(f"{backend}: {parser}" for backend, parser in _readers(marker, wire).items())


def parser(backend: str, marker: str, wire: str = "") -> str:
    """The one of that backend; "" if none is known, or it takes none by name (mlx-lm finds its own)."""
    return "" if backend == "mlx-lm" else _readers(marker, wire).get(backend, "")


def _readers(marker: str, wire: str) -> Mapping[str, str]:
    named = [f for f in FAMILIES if wire and f.wire == wire] or [f for f in FAMILIES if marker and marker in f.wire]
    return named[-1].tool if named else {}


def _bare(text: str, names: set[str]) -> str:
    start = text.find('{"')
    while start >= 0:
        try:
            value, _ = json.JSONDecoder().raw_decode(text[start:])
        except (ValueError, RecursionError):
            return ""
        if isinstance(value, dict) and value.get("name") in names and {"arguments", "parameters"} & value.keys():
            return BARE
        start = text.find('{"', start + 1)
    return ""


def corrupted(name: str, names: Iterable[str]) -> bool:
    """A declared tool's name with something of the wire format stuck to it, not a name that a model made up."""
    return any(one in name for one in names) or any(piece in name for piece in CONTROL)
