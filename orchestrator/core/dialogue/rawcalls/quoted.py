"""Formats with a grammar of their own, in which texts are quoted: nothing in a value can end the call."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from typing import Any

from orchestrator.core.dialogue.rawcalls.places import Calls, after_each, past


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


_SCALAR = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null|None"


@dataclass(frozen=True, slots=True)
class Braces:
    """<start>call:NAME{KEY:VALUE,...}<end>, each text between two of the same quote; keys need none."""

    start: str
    quote: str
    end: str

    def __call__(self, text: str) -> Calls:
        return after_each(re.escape(self.start), text, self._call)

    def _call(self, text: str, at: int) -> tuple[Calls, int]:
        brace = past(r"call:[\w.-]+", text, at)
        arguments, closed = self._object(text, brace)
        return [(text[at + len("call:") : brace], arguments)], past(re.escape(self.end), text, closed)

    def _object(self, text: str, at: int) -> tuple[dict[str, Any], int]:
        found: dict[str, Any] = {}
        at = past(r"\{\s*", text, at)
        while not text.startswith("}", at):
            key, at = self._key(text, at)
            found[key], at = self._value(text, at)
            at = past(r"\s*(?:(?=\})|,\s*(?!\}))", text, at)
        return found, at + 1

    def _key(self, text: str, at: int) -> tuple[str, int]:
        if text.startswith(self.quote, at):
            key, end = self._text(text, at)
        else:
            end = past(r"[^:,{}\[\]<>]+", text, at)
            key = text[at:end].rstrip()
        return key, past(r"\s*:\s*", text, end)

    def _list(self, text: str, at: int) -> tuple[list[Any], int]:
        found: list[Any] = []
        at = past(r"\[\s*", text, at)
        while not text.startswith("]", at):
            value, at = self._value(text, at)
            found.append(value)
            at = past(r"\s*(?:(?=\])|,\s*(?!\]))", text, at)
        return found, at + 1

    def _text(self, text: str, at: int) -> tuple[str, int]:
        begin = at + len(self.quote)
        end = text.index(self.quote, begin)
        return text[begin:end], end + len(self.quote)

    def _value(self, text: str, at: int) -> tuple[Any, int]:
        if text.startswith(self.quote, at):
            return self._text(text, at)
        if text.startswith("{", at):
            return self._object(text, at)
        if text.startswith("[", at):
            return self._list(text, at)
        end = past(_SCALAR, text, at)
        # gemma's own template shows the model the null of a past call as None
        return (None if text[at:end] == "None" else json.loads(text[at:end])), end


gemma4 = Braces("<|tool_call>", '<|"|>', "<tool_call|>")
functiongemma = Braces("<start_function_call>", "<escape>", "<end_function_call>")
