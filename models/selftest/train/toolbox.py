"""The lists of tools that dialogues offer: the probe's own, decoys, unknown ones, in the shapes engines give them."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from models.selftest.train.chat import ToJson, compact_json, sorted_json, to_json
from models.selftest.train.words import COMMON, prose
from orchestrator.core.dialogue import wording
from orchestrator.core.dialogue.wording import Tool, tool

KNOWN: dict[str, Tool] = {each["function"]["name"]: each for each in (*wording.LEDGER, *wording.DECOYS, wording.ECHO)}
TYPES = (
    {"type": "string"},
    {"type": "integer"},
    {"type": "number"},
    {"type": "boolean"},
    {"type": "array", "items": {"type": "string"}},
    {"type": "object"},
)
VERBS = ("get", "set", "list", "find", "send", "make", "open", "delete", "search", "run", "extra", "tool", "lookup")
NOUNS = ("time", "cells", "file", "mail", "user", "task", "page", "item", "order", "web", "note", "list", "book", "map")


def unknown(rng: random.Random, properties: dict[str, Any] | None = None) -> Tool:
    """A tool that no walk needs."""
    name = f"{rng.choice(VERBS)}_{rng.choice([*NOUNS, str(rng.randint(0, 24)), rng.choice(wording.WORDS)])}"
    if properties is None:
        names = rng.sample(
            ["path", "id", "count", "text", "size", "url", "limit", "tag", "key", "value"], rng.randint(0, 3)
        )
        properties = {each: dict(rng.choice(TYPES)) for each in names}
    made = tool(name, prose(rng, 2, 7))
    made["function"]["parameters"] |= {"properties": properties, "required": list(properties)}
    return made


def shaped(rng: random.Random, tools: list[Tool]) -> list[Tool]:
    """The same tools as another engine or client may hand them over: other key order, extra or missing fields."""
    style = rng.random()
    if style < 0.6:
        return tools
    out = copy.deepcopy(tools)
    strict, closed, described = rng.random() < 0.3, rng.random() < 0.3, rng.random() < 0.3
    turned, bare, mixed = rng.random() < 0.3, rng.random() < 0.1, rng.random() < 0.3
    for each in out:
        function = each["function"]
        parameters = function["parameters"]
        if described:
            for name, schema in parameters["properties"].items():
                schema["description"] = f"the {name}" if rng.random() < 0.5 else prose(rng, 1, 4)
        if closed:
            parameters["additionalProperties"] = False
        if not parameters["required"] and mixed:
            del parameters["required"]
        if strict:
            function["strict"] = rng.choice([True, False, None])
        if bare:
            function["description"] = prose(rng, 1, 5)
        if mixed:
            pairs = list(function.items())
            rng.shuffle(pairs)
            each["function"] = dict(pairs)
    return [dict(reversed(each.items())) for each in out] if turned else out


def offer(rng: random.Random, needed: list[str], special: list[Tool], banned: set[str]) -> list[Tool]:
    """The tools of a dialogue: those needed, most of the time the probe's whole set, and up to four unknown ones."""
    ledger = any(name in ("read_cell", "write_cell") for name in needed)
    sets = [[*wording.LEDGER, *wording.DECOYS], [*wording.LEDGER, *wording.DECOYS, wording.ECHO], list(wording.LEDGER)]
    if ledger:
        names = [each["function"]["name"] for each in rng.choices(sets, [6, 1, 2])[0]]
    else:
        names = rng.sample(list(KNOWN), rng.choice([0, 0, 0, 1, 2, 3]))
        names = list(wording_names(rng)) if rng.random() < 0.12 else names
    names = [name for name in dict.fromkeys([*names, *needed]) if name not in banned]
    if rng.random() < (0.4 if ledger else 0.7):
        rng.shuffle(names)
    extra = [unknown(rng) for _ in range(rng.choice([0, 0, 0, 1, 2, 3, 4] if ledger else [0, 0, 0, 0, 1, 2]))]
    taken = {each["function"]["name"] for each in special}
    extra = [each for each in extra if each["function"]["name"] not in taken]
    tools = [KNOWN[name] for name in names] + special + extra
    if rng.random() < 0.3:
        rng.shuffle(tools)
    return shaped(rng, tools)


def wording_names(rng: random.Random) -> list[str]:
    names = [each["function"]["name"] for each in (*wording.LEDGER, *wording.DECOYS)]
    return names if rng.random() < 0.5 else [each["function"]["name"] for each in wording.DECOYS]


def tool_json(rng: random.Random) -> ToJson:
    """How an engine writes the tools into the prompt."""
    return rng.choices(
        [to_json, sorted_json, compact_json, lambda value: json.dumps(value, ensure_ascii=False, indent=1)],
        [80, 10, 8, 0.5],
    )[0]


SYSTEMS = (
    "You are a helpful assistant.",
    "You are a test agent.",
    "Use the tools.",
    "Answer briefly.",
    "Be brief.",
    "You must call one of the provided tools.",
    "You must use one of the available tools to respond.",
    "You MUST call at least one tool. Do not answer in plain text.",
    "You are a careful agent.",
)


MUST_CALL = (
    "[IMPORTANT INSTRUCTION] You MUST call at least one of the available tools. Do NOT respond with plain text only."
)
MUST_CALL_ONE = (
    "[IMPORTANT INSTRUCTION] You MUST call the `{name}` function. Do NOT respond with plain text. "
    "Respond ONLY with a tool call to `{name}`. This is mandatory."
)
"""What vllm-mlx 0.6.0 adds to the system text for tool_choice `required` and for a named one."""


def system(rng: random.Random, names: list[str], called: list[str]) -> str | None:
    """A system text that changes nothing; `called`: tools of this dialogue, one of which an engine may insist on."""
    text = plain_system(rng, names)
    if called and rng.random() < 0.12:
        forced = rng.choice([MUST_CALL, MUST_CALL_ONE.format(name=rng.choice(called))])
        return f"{text}\n\n{forced}" if text else forced
    return text


def plain_system(rng: random.Random, names: list[str]) -> str | None:
    style = rng.random()
    if style < 0.45:
        return None
    if style < 0.7:
        return rng.choice(SYSTEMS)
    if style < 0.75 and names:
        asked = rng.choice(["You must call the function {}.", 'You must use the tool "{}".', "Call only `{}` now."])
        return asked.format(rng.choice(names))
    if style < 0.93:
        return prose(rng, 2, 14)
    if style < 0.95:
        return prose(rng, 40, 160)
    return "\n".join(" ".join(rng.choices(COMMON, k=rng.randint(3, 12))) for _ in range(rng.randint(2, 4)))
