"""Formats that write the arguments as JSON, with something around them."""

from __future__ import annotations

import json
import re
from typing import Any

from orchestrator.core.dialogue.rawcalls.places import Calls, after_each, past


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _json_call(value: dict[str, Any] | None) -> Calls:
    """{"name": ..., "arguments" or "parameters": {...}}"""
    if value is None or not isinstance(value.get("name"), str):
        return []
    arguments = value.get("arguments", value.get("parameters", {}))
    return [(value["name"], arguments)] if isinstance(arguments, dict) else []


def _listed(value: Any) -> Calls:
    """[{"name": ..., ...}, ...]"""
    items = value if isinstance(value, list) else []
    return [call for one in items for call in _json_call(one if isinstance(one, dict) else None)]


def _first(text: str) -> Any:
    """The JSON value at the beginning of a text, None if there is none."""
    try:
        return json.JSONDecoder().raw_decode(text.lstrip())[0]
    except (ValueError, RecursionError):
        return None


def hermes(text: str) -> Calls:
    """<tool_call>{"name": ..., "arguments": {...}}</tool_call>; a value may hold the closing tag itself."""

    def call(text: str, at: int) -> tuple[Calls, int]:
        value, end = json.JSONDecoder().raw_decode(text, at)
        return _listed([value]), past(r"\s*</tool_call>", text, end)

    return after_each(r"<tool_call>\s*", text, call)


def granite(text: str) -> Calls:
    """<|tool_call|>[{"name": ..., "arguments": {...}}, ...]; granite 3.1 writes <tool_call>[...]."""

    def calls(text: str, at: int) -> tuple[Calls, int]:
        value, end = json.JSONDecoder().raw_decode(text, at)
        return _listed(value), end

    return after_each(r"(?:<\|tool_call\|>|<tool_call>)\s*", text, calls)


def mistral(text: str) -> Calls:
    """[TOOL_CALLS][{...}] of old, [TOOL_CALLS]NAME[ARGS]{...} of new."""
    calls: Calls = []
    for part in text.split("[TOOL_CALLS]")[1:]:
        if named := re.match(r"\s*([\w.-]+)(?:\[CALL_ID\]\w+)?\[ARGS\]", part):
            value = _first(part[named.end() :])
            calls += [(named[1], value)] if isinstance(value, dict) else []
        else:
            calls += _listed(_first(part))
    return calls


def bare(text: str) -> Calls:
    """{"name": ..., "parameters": {...}}; several are separated by semicolons."""
    calls: Calls = []
    for part in text.removeprefix("<|python_tag|>").strip().removesuffix("<|eom_id|>").split(";"):
        calls += _json_call(_object(part.strip()))
    return calls


def kimi(text: str) -> Calls:
    """<|tool_call_begin|>functions.NAME:0<|tool_call_argument_begin|>{...}<|tool_call_end|>"""
    head = r"<\|tool_call_begin\|>\s*(?:functions\.)?([\w.-]+):\d+\s*"
    pattern = head + r"<\|tool_call_argument_begin\|>(.*?)<\|tool_call_end\|>"
    read = [(name, _object(inner)) for name, inner in re.findall(pattern, text, re.S)]
    return [(name, value) for name, value in read if value is not None]


def deepseek(text: str) -> Calls:
    """function<｜tool▁sep｜>NAME and a json block (v3), or NAME<｜tool▁sep｜>{...} (v3.1)."""
    calls: Calls = []
    for inner in re.findall("<｜tool▁call▁begin｜>(.*?)<｜tool▁call▁end｜>", text, re.S):
        before, _, after = inner.partition("<｜tool▁sep｜>")
        name, _, block = after.partition("```json") if "```json" in after else (before, "", after)
        value = _object(block.strip().removesuffix("```"))
        calls += [(name.strip(), value)] if value is not None else []
    return calls


def harmony(text: str) -> Calls:
    """<|channel|>commentary to=functions.NAME ... <|message|>{...}"""
    pattern = r"to=functions\.([\w.-]+).*?<\|message\|>(.*?)(?:<\|call\|>|$)"
    read = [(name, _object(inner)) for name, inner in re.findall(pattern, text, re.S)]
    return [(name, value) for name, value in read if value is not None]
