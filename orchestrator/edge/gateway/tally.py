"""Usage and tool calls, as each API writes them."""

from __future__ import annotations

import json
import re
from typing import Any

from orchestrator.edge.gateway.answer import Dialect
from orchestrator.edge.gateway.declared import NONE, Body, Declared, Verdict
from orchestrator.edge.gateway.metrics import Metrics

_ARGUMENTS_LIMIT = 1 << 20
_CALLS = (b'"tool_calls"', b'"tool_use"', b'"function_call"')
_USAGE = re.compile(rb'"usage"\s*:\s*\{')


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def telling(body: Body) -> bool:
    """Whether a whole answer may hold tool calls."""
    return any(body.find(key) >= 0 for key in _CALLS)


def whole(metrics: Metrics, model: str, dialect: Dialect, body: Body, tools: Declared | None = NONE) -> None:
    """Count one answer that is no stream. What is no JSON object counts as nothing."""
    tally = Tally(model, dialect, tools)
    if not telling(body):
        tally.usage(_last_usage(body))
        tally.report(metrics)
        return
    read = _object(body)
    if read is None:
        return
    tally.usage(read.get("usage"))
    for choice in _dicts(read.get("choices")):
        for call in _functions(_dict(choice.get("message"))):
            tally.call(call.get("name"), call.get("arguments"))
    for block in _dicts(read.get("content")):
        if block.get("type") == "tool_use":
            tally.call(block.get("name"), block.get("input"))
    tally.items(read.get("output"))
    tally.report(metrics)


class Tally:
    """One stream: the last usage that it reported (each replaces the one before), and its tool calls by place.

    tools: what its request declares; None: not known."""

    __slots__ = ("_arguments", "_dialect", "_model", "_names", "_size", "_tokens", "_verdicts", "tools")

    def __init__(self, model: str, dialect: Dialect, tools: Declared | None = NONE) -> None:
        self._model = model
        self._dialect = dialect
        self._tokens: dict[str, int] = {}
        self._names: dict[tuple[Any, ...], str] = {}
        self._arguments: dict[tuple[Any, ...], list[str]] = {}
        self._size = 0
        self._verdicts: list[Verdict] = []
        self.tools = tools

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
                for call in _functions(_dict(choice.get("delta"))):
                    place = ("call", choice.get("index"), call["index"])
                    self._more(place, call.get("arguments"), call.get("name"))

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
                self.call(item.get("name"), item.get("arguments"))

    def call(self, name: object, arguments: object) -> None:
        """arguments: JSON text, or the object itself as Anthropic has it."""
        read = _object(arguments) if isinstance(arguments, str) else arguments
        if not isinstance(read, dict):
            self._verdicts.append("not_object")
        elif self.tools is None:
            self._verdicts.append("unchecked")
        else:
            self._verdicts.append(self.tools.judge(name if isinstance(name, str) else "", read))

    def report(self, metrics: Metrics) -> None:
        """At the end: into the metrics. A call without any arguments text counts as an empty object."""
        for kind, count in self._tokens.items():
            metrics.add_tokens(self._model, kind, count)
        for place, pieces in self._arguments.items():
            if self._size < _ARGUMENTS_LIMIT:
                self.call(self._names.get(place), "".join(pieces) or "{}")
            else:  # not all of it was kept
                self._verdicts.append("unchecked")
        for verdict in self._verdicts:
            metrics.add_tool_call(self._model, verdict)

    def _anthropic(self, read: dict[str, Any]) -> None:
        self.usage(read.get("usage"))
        self.usage(_dict(read.get("message")).get("usage"))
        place = ("block", read.get("index"))
        if (block := _dict(read.get("content_block"))).get("type") == "tool_use":
            self._more(place, "", block.get("name"))
        if (delta := _dict(read.get("delta"))).get("type") == "input_json_delta":
            self._more(place, delta.get("partial_json"))

    def _more(self, place: tuple[Any, ...], text: object, name: object = None) -> None:
        """A name may come in pieces, and some servers send it with every piece of the arguments."""
        pieces = self._arguments.setdefault(place, [])
        if isinstance(text, str) and self._size < _ARGUMENTS_LIMIT:
            pieces.append(text)
            self._size += len(text)
        if isinstance(name, str) and name and self._size < _ARGUMENTS_LIMIT:
            known = self._names.get(place, "")
            self._names[place] = known if name == known else known + name
            self._size += len(name)


_OUT = ("completion_tokens", "output_tokens")


def _functions(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The `function` of each tool call of a message or a delta, with the call's index. Calls of other kinds (`custom`)
    are left out."""
    calls = [call for call in _dicts(message.get("tool_calls")) if "custom" not in call]
    calls = [call for call in calls if call.get("type") in ("function", None, "")]
    return [{**_dict(call.get("function")), "index": call.get("index")} for call in calls]


def _last_usage(body: Body) -> object:
    """The `usage` of an answer without tool calls, without reading all of it. In a string its quotes are escaped."""
    hits = list(_USAGE.finditer(body))
    if len(hits) != 1:
        return _dict(_object(body)).get("usage") if hits else None
    try:
        return _DECODER.raw_decode(body[hits[0].end() - 1 :].decode("utf-8", "replace"))[0]
    except (ValueError, RecursionError):
        return None


def _object(text: str | Body) -> dict[str, Any] | None:
    try:
        read = _DECODER.decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
