"""Faults of the parser and of the stream parser."""

import json

from engine_fault import Fault, fault, lost


@fault
class MarkupInContent(Fault):
    def message(self, message):
        if message.calls:
            lost(message, content=message.raw)


@fault
class MismatchMasked(Fault):
    def message(self, message):
        if message.calls and message.streamed:
            lost(message, content=message.raw)


@fault
class SilentDrop(Fault):
    def message(self, message):
        if message.calls:
            lost(message)


@fault
class FinishWithoutCalls(Fault):
    def message(self, message):
        if message.calls:
            lost(message, finish="tool_calls")


@fault
class ParallelLost(Fault):
    def message(self, message):
        message.calls = message.calls[:1]


@fault
class EmptyArgsLost(Fault):
    def message(self, message):
        if any(call["arguments"] == "{}" for call in message.calls):
            lost(message)


@fault
class DoubleEncoded(Fault):
    def message(self, message):
        for call in message.calls:
            call["arguments"] = json.dumps(call["arguments"])


class _Values(Fault):
    def message(self, message):
        for call in message.calls:
            if not message.truncated:
                values = json.loads(call["arguments"])
                call["arguments"] = json.dumps({k: self.change(v) for k, v in values.items()}, ensure_ascii=False)


@fault
class NestedStringified(_Values):
    def change(self, value):
        return json.dumps(value) if isinstance(value, (list, dict)) else value


@fault
class ValueCutAtTag(_Values):
    def change(self, value):
        return value.split("</")[0] if isinstance(value, str) else value


@fault
class FidelityLost(_Values):
    def change(self, value):
        return value.encode("ascii", "replace").decode() if isinstance(value, str) else value


@fault
class WrongArguments(_Values):
    """No code of its own: from the API alone it looks like the model's mistake."""

    def change(self, value):
        return "wrong-word-00" if isinstance(value, str) and value.count("-") == 2 else value


@fault
class CallInReasoning(Fault):
    def message(self, message):
        if message.calls:
            lost(message)
            message.reasoning += message.raw


@fault
class NameCorrupted(Fault):
    def message(self, message):
        for call in message.calls:
            call["name"] += "<|channel|>commentary"


@fault
class StreamDiffers(Fault):
    def message(self, message):
        if message.calls and message.streamed:
            lost(message)


@fault
class CallResent(Fault):
    def deltas(self, deltas, message):
        if len(message.calls) < 2:
            return deltas
        again = {"index": 0, "id": "call_again", "type": "function"}
        again["function"] = {"name": message.calls[0]["name"], "arguments": message.calls[0]["arguments"]}
        return [*deltas, {"tool_calls": [again]}]


@fault
class IndexCollision(Fault):
    def deltas(self, deltas, message):
        for delta in deltas:
            for call in delta.get("tool_calls", []):
                call["index"] = 0
        return deltas


@fault
class IndexGap(Fault):
    def deltas(self, deltas, message):
        for delta in deltas:
            for call in delta.get("tool_calls", []):
                call["index"] += 1
        return deltas


@fault
class NameRepeated(Fault):
    def deltas(self, deltas, message):
        for delta in deltas:
            for call in delta.get("tool_calls", []):
                call["function"]["name"] = message.calls[call["index"]]["name"]
        return deltas
