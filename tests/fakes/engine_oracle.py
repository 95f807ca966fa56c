"""A perfect model of the probe's protocol: it reads the conversation and says the one right thing.

It knows no seed and no script, only the rules that `orchestrator/core/dialogue/wording.py` tells every model.
Standard library only: the fake engine must start fast.
"""

import json
import re

ASKS = (
    (re.compile(r"Copy the ledger from key (\S+)\."), lambda m: [("read_cell", {"key": m[1]})]),
    (
        re.compile(r"What is the weather in (.+?) and (.+?)\?"),
        lambda m: [("get_weather", {"city": m[1]}), ("get_weather", {"city": m[2]})],
    ),
    (re.compile(r"What is the weather in (.+?)\?"), lambda m: [("get_weather", {"city": m[1]})]),
    (re.compile(r"Call ping\."), lambda m: [("ping", {})]),
    (re.compile(r"Add (\S+) and (\S+)\."), lambda m: [("add", {"a": json.loads(m[1]), "b": json.loads(m[2])})]),
    (re.compile(r"Call echo with (\{.*\})", re.S), lambda m: [("echo", json.loads(m[1]))]),
)


def text_of(content):
    """Content as null, text or an array of parts -> text."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content or ""


def answer(body):
    """A chat request -> (text, calls): what a perfect model says; calls as [(name, arguments)]."""
    messages, tools, choice = body["messages"], body.get("tools") or [], body.get("tool_choice", "auto")
    names = [tool["function"]["name"] for tool in tools]
    text, calls = _next(messages)
    if not tools or choice == "none":
        return text or "I have no tools.", []
    if isinstance(choice, dict):
        name = choice["function"]["name"]
        return "", [call for call in calls if call[0] == name] or [(name, _fill(tools[names.index(name)]))]
    if choice == "required" and not calls:
        return "", [(names[0], _fill(tools[0]))]
    return text, [call for call in calls if call[0] in names]


def _fill(tool):
    samples = {"string": "x", "number": 1, "integer": 1, "array": [], "object": {}}
    parameters = tool["function"].get("parameters") or {}
    return {name: samples.get(one.get("type"), "x") for name, one in (parameters.get("properties") or {}).items()}


def _next(messages):
    last = messages[-1]
    if last["role"] == "tool":
        return _after(messages)
    asked = text_of(last.get("content"))
    if hit := re.match(r"Say exactly: (.*)", asked, re.S):
        return hit[1], []
    for pattern, calls in ASKS:
        if hit := pattern.search(asked):
            return "", calls(hit)
    return "Hello.", []


def _after(messages):
    """What follows the results at the end of the history."""
    start = len(messages)
    while messages[start - 1]["role"] == "tool":
        start -= 1
    made = {call["id"]: call["function"] for call in messages[start - 1].get("tool_calls") or []}
    for message in messages[start:]:
        result, call = _json(text_of(message.get("content"))), made.get(message.get("tool_call_id"))
        if not isinstance(result, dict):
            continue
        if "error" in result and call:
            return "", [(call["name"], {**_json(call["arguments"]), "key": result["use_key"]})]
        if "checksum" in result:
            return "", [("finish", {"checksum": result["checksum"]})]
        if "next_keys" in result:
            return "", [("read_cell", {"key": key}) for key in result["next_keys"]]
        if "recall" in result:
            return "", [("confirm", {"key": result["recall"], "nonce": _nonce(messages, result["recall"])})]
        if "value" in result:
            arguments = {"key": result["next_key"], "value": result["value"], "prev_nonce": result["nonce"]}
            return "", [("write_cell", arguments)]
        if "next_key" in result:
            return "", [("read_cell", {"key": result["next_key"]})]
    return "Done.", []


def _nonce(messages, key):
    for message in messages:
        if message["role"] == "tool":
            result = _json(text_of(message.get("content")))
            if isinstance(result, dict) and result.get("next_key") == key:
                return result["nonce"]
    return "unknown"


def _json(text):
    try:
        value = json.loads(text) if isinstance(text, str) else text
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return None
