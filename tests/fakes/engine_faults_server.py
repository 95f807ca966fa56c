"""Faults of the server and of the transport."""

import re

from engine_fault import Fault, fault


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
class IdFormat(Fault):
    def message(self, message):
        for place, call in enumerate(message.calls):
            call["id"] = f"call_{message.turn}{place}"


@fault
class CacheCold(Fault):
    def uncached(self, prompt, new):
        return prompt


@fault
class HiddenText(Fault):
    """No finding: as mlx-lm, which takes calls out of the text of /v1/completions."""

    def raw(self, text):
        return ""


@fault
class BareText(Fault):
    """No finding: /v1/completions without control tokens, though `skip_special_tokens: false` asked for them."""

    def raw(self, text):
        return re.sub(r"</?[\w|]+>", "", text)


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
class RequiredRefused(Fault):
    """As rapid-mlx without its kernel: 422, and in a stream an error after the 200."""

    late = True

    def refuse(self, body):
        if body.get("tool_choice") == "required":
            return 422, "Forced tool choice produced no valid tool call."
        return None


@fault
class NamedIgnored(Fault):
    def choice(self, choice):
        return "auto" if isinstance(choice, dict) else choice


@fault
class NoneIgnored(Fault):
    def choice(self, choice):
        return "auto" if choice == "none" else choice


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
