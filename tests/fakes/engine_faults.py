"""The fake engine's faults of the tool path, by the code that the probe must name. Standard library only."""

import json
import re


class Fault:
    """A healthy engine's behaviour at each step; a fault overrides the step at which it goes wrong."""

    def refuse(self, body):
        """(status, text) when the request is rejected."""

    def sees_tools(self, body):
        return body.get("tools")

    def sees_messages(self, body):
        return body["messages"]

    def choice(self, choice):
        return choice

    def model(self, body, turn, text, calls):
        return text, calls

    def message(self, message):
        """Changes what the parser understood."""

    def value(self, value):
        return value

    def deltas(self, deltas, message):
        return deltas

    def wire(self, answer, streamed):
        """Changes the bytes."""


NONE = Fault()
FAULTS = {}


def fault(cls):
    """Registers under the class's name in snake case, which is the finding's code."""
    FAULTS[re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()] = cls()
    return cls


def lost(message, *, content=None, finish="stop"):
    message.calls, message.content, message.finish = [], content or "", finish


# --- the parser ---


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


# --- the stream parser ---


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


# --- the server ---


@fault
class StopWithCalls(Fault):
    def message(self, message):
        if message.finish == "tool_calls":
            message.finish = "stop"


@fault
class NoFinish(Fault):
    def message(self, message):
        message.finish = None


@fault
class FinishRepeated(Fault):
    def deltas(self, deltas, message):
        message.early = "stop" if message.calls else None
        return deltas


@fault
class TruncationHidden(Fault):
    def message(self, message):
        if message.truncated:
            message.finish = "tool_calls" if message.calls else "stop"


@fault
class NullContentRejected(Fault):
    def refuse(self, body):
        if any(m["role"] == "assistant" and m.get("content") is None for m in body["messages"]):
            return 400, "content: Input should be a valid string"
        return None


@fault
class ArrayContentRejected(Fault):
    def refuse(self, body):
        if any(isinstance(m.get("content"), list) for m in body["messages"]):
            return 400, "content: Input should be a valid string"
        return None


@fault
class IdRejected(Fault):
    def refuse(self, body):
        ids = [call["id"] for m in body["messages"] for call in m.get("tool_calls") or []]
        if any(not re.fullmatch("[a-zA-Z0-9]{9}", one) for one in ids):
            return 400, "Tool call id must be a-z, A-Z, 0-9, with a length of 9."
        return None


@fault
class IdEmpty(Fault):
    def message(self, message):
        for call in message.calls:
            call["id"] = ""


@fault
class ToolsDiscarded(Fault):
    def sees_tools(self, body):
        return None


@fault
class HistoryDiscarded(Fault):
    def sees_messages(self, body):
        return [m for m in body["messages"] if m["role"] in ("system", "user")]


@fault
class RequiredIgnored(Fault):
    def choice(self, choice):
        return "auto" if choice == "required" else choice


@fault
class NamedIgnored(Fault):
    def choice(self, choice):
        return "auto" if isinstance(choice, dict) else choice


@fault
class NoneIgnored(Fault):
    def choice(self, choice):
        return "auto" if choice == "none" else choice


# --- the model and its history ---


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
class HistoryPoisoning(Fault):
    def model(self, body, turn, text, calls):
        """The template garbles the history that this server itself wrote: its own ids show which that is."""
        made = [c["id"] for m in body["messages"] for c in m.get("tool_calls") or []]
        own = [one for one in made if re.fullmatch("call_[0-9a-f]{24}", one)]
        return text, wrong(calls) if len(own) >= 2 else calls


@fault
class Loop(Fault):
    def model(self, body, turn, text, calls):
        made = [c["function"] for m in body["messages"] for c in m.get("tool_calls") or []]
        if len(made) < 3 or not calls:
            return text, calls
        return "", [(made[-1]["name"], json.loads(made[-1]["arguments"]))]


# --- the transport ---


@fault
class BadJson(Fault):
    def wire(self, answer, streamed):
        answer.parts[0] = answer.parts[0].replace(b'"choices"', b"choices", 1)


@fault
class NoDone(Fault):
    def wire(self, answer, streamed):
        if streamed:
            answer.parts.pop()


@fault
class HalfEvent(Fault):
    def wire(self, answer, streamed):
        if streamed:
            del answer.parts[-1:]
            answer.parts[-1] = answer.parts[-1][:-20]


@fault
class WrongContentType(Fault):
    def wire(self, answer, streamed):
        answer.content_type = "text/html"


@fault
class Deadline(Fault):
    def wire(self, answer, streamed):
        answer.delay = 3600


@fault
class ConnectionLost(Fault):
    def wire(self, answer, streamed):
        raw = b"".join(answer.parts)
        answer.parts, answer.cut = [raw[: len(raw) // 2]], True


@fault
class HttpError(Fault):
    def refuse(self, body):
        return 500, "internal error"


@fault
class ErrorInBody(Fault):
    def wire(self, answer, streamed):
        answer.content_type, answer.parts = (
            "application/json",
            [b'{"error": {"message": "out of memory", "code": 500}}'],
        )


@fault
class ReplyTooLarge(Fault):
    def wire(self, answer, streamed):
        answer.parts[1:1] = [b": " + b"x" * (1 << 20) + b"\n\n"] * 64 if streamed else [b" " * (1 << 20)] * 64


@fault
class InvalidUtf8(Fault):
    def wire(self, answer, streamed):
        answer.parts[0] = answer.parts[0].replace(b"assistant", b"assist\xff\xfe", 1)
