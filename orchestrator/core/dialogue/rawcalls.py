"""What a model wrote, read by parsers of our own, one a wire format: the raw arm asks past the server's parser.

Strict where a parser of an engine may be lenient: what it reads was written whole and well-formed.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

Calls = list[tuple[str, dict[str, Any]]]
Read = Callable[[str], Calls]


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


def _loose(text: str) -> Any:
    """A value of a format that does not quote texts: JSON where it is, else the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def hermes(text: str) -> Calls:
    """<tool_call>{"name": ..., "arguments": {...}}</tool_call>; a value may hold the closing tag itself."""
    calls: Calls = []
    for found in re.finditer(r"<tool_call>\s*", text):
        try:
            value, end = json.JSONDecoder().raw_decode(text, found.end())
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and text[end:].lstrip().startswith("</tool_call>"):
            calls += _json_call(value)
    return calls


def functions(text: str) -> Calls:
    """<function=NAME><parameter=KEY>VALUE</parameter></function>"""
    calls: Calls = []
    for name, inner in re.findall(r"<function=([^>\n]+)>(.*?)</function>", text, re.S):
        pairs = re.findall(r"<parameter=([^>\n]+)>\n?(.*?)\n?</parameter>", inner, re.S)
        calls.append((name.strip(), {key: _loose(value) for key, value in pairs}))
    return calls


def arg_keys(text: str) -> Calls:
    """<tool_call>NAME<arg_key>KEY</arg_key><arg_value>VALUE</arg_value></tool_call>"""
    calls: Calls = []
    for inner in re.findall(r"<tool_call>(.*?)</tool_call>", text, re.S):
        pairs = re.findall(r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", inner, re.S)
        calls.append((inner.split("<arg_key>")[0].strip(), {key: _loose(value) for key, value in pairs}))
    return calls


def invokes(text: str) -> Calls:
    """<invoke name="NAME"><parameter name="KEY">VALUE</parameter></invoke>, with or without a prefix in the tags."""
    calls: Calls = []
    for name, inner in re.findall(r'<(?:｜DSML｜)?invoke name="([^"]+)">(.*?)</(?:｜DSML｜)?invoke>', text, re.S):
        pairs = re.findall(r'parameter name="([^"]+)"[^>]*>(.*?)</(?:｜DSML｜)?parameter>', inner, re.S)
        calls.append((name, {key: _loose(value) for key, value in pairs}))
    return calls


def mistral(text: str) -> Calls:
    """[TOOL_CALLS][{...}] of old, [TOOL_CALLS]NAME[ARGS]{...} of new."""
    calls: Calls = []
    for part in text.split("[TOOL_CALLS]")[1:]:
        if named := re.match(r"\s*([\w.-]+)(?:\[CALL_ID\]\w+)?\[ARGS\]", part):
            value = _first(part[named.end() :])
            calls += [(named[1], value)] if isinstance(value, dict) else []
        else:
            listed = _first(part)
            for one in listed if isinstance(listed, list) else []:
                calls += _json_call(one if isinstance(one, dict) else None)
    return calls


def _first(text: str) -> Any:
    """The JSON value at the beginning of a text, None if there is none."""
    try:
        return json.JSONDecoder().raw_decode(text.lstrip())[0]
    except (ValueError, RecursionError):
        return None


def bare(text: str) -> Calls:
    """{"name": ..., "parameters": {...}}; several are separated by semicolons."""
    calls: Calls = []
    for part in text.removeprefix("<|python_tag|>").strip().removesuffix("<|eom_id|>").split(";"):
        calls += _json_call(_object(part.strip()))
    return calls


def pythonic(text: str) -> Calls:
    """[name(key=value), ...]"""
    inner = re.search(r"\[.*\]", text, re.S)
    try:
        tree = ast.parse(inner[0] if inner else "", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    calls: Calls = []
    for one in tree.elts if isinstance(tree, ast.List) else []:
        if not isinstance(one, ast.Call) or not isinstance(one.func, ast.Name):
            return []
        try:
            calls.append((one.func.id, {str(k.arg): ast.literal_eval(k.value) for k in one.keywords}))
        except ValueError:
            return []
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


READERS: Mapping[str, Read] = {
    "<tool_call><function=": functions,
    "<seed:tool_call>": functions,
    "<tool_call><arg_key>": arg_keys,
    "<minimax:tool_call>": invokes,
    "<｜DSML｜function_calls>": invokes,
    "<|tool_calls_section_begin|>": kimi,
    "<|channel|>": harmony,
    "<｜tool▁calls▁begin｜>": deepseek,
    "[TOOL_CALLS]": mistral,
    "pythonic list": pythonic,
    "<|tool_call_start|>": pythonic,
    "<|python_tag|>": bare,
    "<tool_call>{json}": hermes,
    "<tool_call>": hermes,
}
"""By `Family.wire`; those left out (gemma, functiongemma, granite 3) have no raw arm, and the verdict says so."""
