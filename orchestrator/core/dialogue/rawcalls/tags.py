"""Formats that write each argument between tags of its own; texts are not quoted."""

from __future__ import annotations

import json
import re
from typing import Any

from orchestrator.core.dialogue.rawcalls.places import Calls


def _loose(text: str) -> Any:
    """A value of a format that does not quote texts: JSON where it is, else the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


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
