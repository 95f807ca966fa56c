"""Usage and tool calls, as each API writes them."""

from __future__ import annotations

import json
import re
from typing import Any

from orchestrator.edge.gateway.answer import Dialect
from orchestrator.edge.gateway.metrics import Metrics

_ARGUMENTS_LIMIT = 1 << 20
_CALLS = re.compile(rb'"(?:tool_calls|tool_use|function_call)"')
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_DECODER = json.JSONDecoder()


def whole(metrics: Metrics, model: str, dialect: Dialect, body: bytes) -> None:
    """Count one answer that is no stream. What is no JSON object counts as nothing."""
    tally = Tally(model, dialect)
    if _CALLS.search(body) is None:
        tally.usage(_last_usage(body))
        tally.report(metrics)
        return
    read = _object(body)
    if read is None:
        return
    tally.usage(read.get("usage"))
    for choice in _dicts(read.get("choices")):
        for call in _dicts(_dict(choice.get("message")).get("tool_calls")):
            tally.calls.append(_is_object(_dict(call.get("function")).get("arguments")))
    for block in _dicts(read.get("content")):
        if block.get("type") == "tool_use":
            tally.calls.append(isinstance(block.get("input"), dict))
    tally.items(read.get("output"))
    tally.report(metrics)


class Tally:
    """One stream: the last usage that it reported (each replaces the one before), and its tool calls by place."""

    __slots__ = ("_arguments", "_dialect", "_model", "_size", "_tokens", "calls")

    def __init__(self, model: str, dialect: Dialect) -> None:
        self._model = model
        self._dialect = dialect
        self._tokens: dict[str, int] = {}
        self._arguments: dict[tuple[Any, ...], list[str]] = {}
        self._size = 0
        self.calls: list[bool] = []

    def event(self, data: str) -> None:
        read = _object(data)
        if read is None:
            return
        if self._dialect == "messages":
            self._anthropic(read)
        elif self._dialect == "responses":
            response = _dict(read.get("response"))
            self.usage(response.get("usage"))
            if read.get("type") == "response.completed":
                self.items(response.get("output"))
        else:
            self.usage(read.get("usage"))
            for choice in _dicts(read.get("choices")):
                for call in _dicts(_dict(choice.get("delta")).get("tool_calls")):
                    place = ("call", choice.get("index"), call.get("index"))
                    self._more(place, _dict(call.get("function")).get("arguments"))

    def usage(self, usage: object) -> None:
        """OpenAI's prompt_tokens and completion_tokens, or Anthropic's and Responses' input_tokens, output_tokens."""
        found = _dict(usage)
        for kind, names in (("prompt", ("prompt_tokens", "input_tokens")), ("completion", _OUT)):
            for name in names:
                if type(count := found.get(name)) is int and count >= 0:
                    self._tokens[kind] = count

    def items(self, output: object) -> None:
        """The `output` of /v1/responses."""
        for item in _dicts(output):
            if item.get("type") == "function_call":
                self.calls.append(_is_object(item.get("arguments")))

    def report(self, metrics: Metrics) -> None:
        """At the end: into the metrics. A call without any arguments text counts as an empty object."""
        for kind, count in self._tokens.items():
            metrics.add_tokens(self._model, kind, count)
        for pieces in self._arguments.values():
            self.calls.append(_is_object("".join(pieces) or "{}"))
        for valid in self.calls:
            metrics.add_tool_call(self._model, valid)

    def _anthropic(self, read: dict[str, Any]) -> None:
        self.usage(read.get("usage"))
        self.usage(_dict(read.get("message")).get("usage"))
        place = ("block", read.get("index"))
        if _dict(read.get("content_block")).get("type") == "tool_use":
            self._more(place, "")
        if (delta := _dict(read.get("delta"))).get("type") == "input_json_delta":
            self._more(place, delta.get("partial_json"))

    def _more(self, place: tuple[Any, ...], text: object) -> None:
        pieces = self._arguments.setdefault(place, [])
        if isinstance(text, str) and self._size < _ARGUMENTS_LIMIT:
            pieces.append(text)
            self._size += len(text)


_OUT = ("completion_tokens", "output_tokens")


def _last_usage(body: bytes) -> object:
    """The `usage` of an answer without tool calls, without reading all of it. In a string its quotes are escaped."""
    hits = list(_USAGE.finditer(body))
    if len(hits) != 1:
        return _dict(_object(body)).get("usage") if hits else None
    try:
        return _DECODER.raw_decode(body[hits[0].end() - 1 :].decode("utf-8", "replace"))[0]
    except (ValueError, RecursionError):
        return None


def _object(text: str | bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _is_object(arguments: object) -> bool:
    return isinstance(arguments, str) and _object(arguments) is not None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
