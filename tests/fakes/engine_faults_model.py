"""Faults of the model and of how its history is rendered."""

import json
import re

from engine_fault import Fault, fault


def wrong(calls):
    """The same calls with their first argument mistaken."""
    return [(name, {k: v if i else "wrong-word-00" for i, (k, v) in enumerate(a.items())}) for name, a in calls]


@fault
class NeedlessCall(Fault):
    def model(self, body, turn, text, calls):
        return ("", [("ping", {})]) if body.get("tools") and text and len(body["messages"]) == 1 else (text, calls)


@fault
class WrongCall(Fault):
    def model(self, body, turn, text, calls):
        return text, wrong(calls)


@fault
class NoCall(Fault):
    def model(self, body, turn, text, calls):
        return ("I would rather not.", []) if calls else (text, calls)


@fault
class DepthDrift(Fault):
    def model(self, body, turn, text, calls):
        return text, wrong(calls) if turn >= 4 else calls


@fault
class ContextDrift(Fault):
    def model(self, body, turn, text, calls):
        size = len(json.dumps([body["messages"], body.get("tools")])) // 4
        return text, wrong(calls) if size > 3500 else calls


@fault
class HistoryPoisoning(Fault):
    def model(self, body, turn, text, calls):
        """The template garbles the history that this server itself wrote: its own ids show which that is."""
        made = [c["id"] for m in body["messages"] for c in m.get("tool_calls") or []]
        own = [one for one in made if re.fullmatch("call_[0-9a-f]{24}|[0-9a-f]{9}", one)]
        return text, wrong(calls) if len(own) >= 2 else calls


@fault
class Loop(Fault):
    def model(self, body, turn, text, calls):
        made = [c["function"] for m in body["messages"] for c in m.get("tool_calls") or []]
        if len(made) < 3 or not calls:
            return text, calls
        return "", [(made[-1]["name"], json.loads(made[-1]["arguments"]))]
