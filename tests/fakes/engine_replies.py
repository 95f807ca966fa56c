"""From a chat request to the bytes of an OpenAI reply. Pure: the unit tests call `reply` without a process."""

import hashlib
import json
import re
from dataclasses import dataclass, field

import engine_oracle
from engine_faults import FAULTS, NONE
from engine_wires import WIRES

sse_style = ("plain", "crlf", "comments", "glued")


@dataclass
class Style:
    """How a healthy engine may look, and the one fault it has."""

    fault: str = ""
    chunk: str = "token"
    ids: str = "openai"
    content: str = "null"
    usage: bool = True
    cached: bool = False
    """Whether usage says how many tokens of the prompt the prefix cache held."""
    reasoning: int = 0
    sse: str = "plain"
    strict: bool = False
    wire: str = "hermes"
    prefill: float = 0
    """Seconds that 1,000 prompt tokens take which the prefix cache does not hold."""


@dataclass
class Answer:
    """parts: pieces as they go over the wire; cut: the connection breaks after them."""

    status: int = 200
    content_type: str = "application/json"
    parts: list = field(default_factory=list)
    cut: bool = False
    delay: float = 0


@dataclass
class Message:
    """The model's answer as the parser understood it. raw: what the model wrote; calls: id, name, arguments."""

    raw: str
    content: str
    reasoning: str
    calls: list
    finish: str
    truncated: bool
    streamed: bool
    turn: int
    early: str | None = None


def reply(body, style):
    fault, turns, only_streamed = _fault(style.fault)
    body = dict(body)
    streamed, turn = bool(body.get("stream")), 1 + sum(bool(m.get("tool_calls")) for m in body["messages"])
    if turn < turns or (only_streamed and not streamed):
        fault = NONE
    if style.strict and (extra := {"parallel_tool_calls", "stream_options"} & body.keys()):
        text = f"Unrecognized request argument supplied: {extra}"
        return Answer(400, parts=[json.dumps(error(text, "invalid_request_error")).encode()])
    if refusal := fault.refuse(body):
        status, text = refusal
        value = json.dumps(error(text, "invalid_request_error"))
        if fault.late and streamed:
            events = [_event(value, style.sse), _event("[DONE]", style.sse)]
            return Answer(content_type="text/event-stream", parts=events)
        return Answer(status, parts=[value.encode()])
    prompt = len(json.dumps([fault.sees_tools(body), fault.sees_messages(body)])) // 4
    body["messages"], body["tools"] = fault.sees_messages(body), fault.sees_tools(body)
    body["tool_choice"] = fault.choice(body.get("tool_choice", "auto"))
    text, calls = engine_oracle.answer(body)
    text, calls = fault.model(body, turn, text, calls)
    message, written = _understood(body, style, text, calls, turn)
    fault.message(message)
    usage = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
    uncached = fault.uncached(prompt, _new(body["messages"]))
    if style.cached:
        usage["prompt_tokens_details"] = {"cached_tokens": prompt - uncached}
    answer = (_stream if streamed else _whole)(body, style, message, usage if style.usage else None, fault)
    answer.delay += style.prefill * uncached / 1000
    fault.wire(answer, streamed)
    return answer


def _new(messages):
    """Tokens that came after the model's last message: what a prefix cache does not hold."""
    last = max((i for i, m in enumerate(messages) if m["role"] == "assistant"), default=-1)
    return len(json.dumps(messages[last + 1 :])) // 4


def completion(body, style):
    """/v1/completions, for a prompt which is JSON: {"messages": ..., "tools": ...}. No parser touches the text."""
    fault, turns, _ = _fault(style.fault)
    try:
        asked = {**json.loads(body["prompt"]), "max_tokens": body.get("max_tokens")}
    except (ValueError, TypeError):
        return Answer(
            400, parts=[json.dumps(error("this engine's prompts are JSON", "invalid_request_error")).encode()]
        )
    turn = 1 + sum(bool(m.get("tool_calls")) for m in asked["messages"])
    fault = NONE if turn < turns else fault
    text, calls = fault.model(asked, turn, *engine_oracle.answer(asked))
    message, written = _understood(asked, style, text, calls, turn)
    choice = {"index": 0, "text": fault.raw(message.raw), "finish_reason": "length" if message.truncated else "stop"}
    value = _envelope(body, "text_completion", choice) | {"usage": {"prompt_tokens": 1, "completion_tokens": written}}
    return Answer(parts=[json.dumps(value, ensure_ascii=False).encode()])


def _fault(spec):
    """`NAME[@TURN][:streamed]` -> (fault, first turn, streamed replies only)."""
    name, _, mode = spec.partition(":")
    name, _, turn = name.partition("@")
    return (FAULTS[name] if name else NONE), int(turn or 1), mode == "streamed"


def tokens(text):
    return re.findall(r"</?\w+>|\w+|[^\w\s]|\s+", text)


def _understood(body, style, text, calls, turn):
    """What the model writes in its format, cut at max_tokens, and how a healthy parser reads it."""
    texts = [WIRES[style.wire][1](n, a) for n, a in calls]
    full = "\n".join(([text] if text else []) + texts)
    thoughts = ["hmm "] * style.reasoning
    written = [*thoughts, *tokens(full)]
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or 10**9
    cut = len(written) > limit
    made = [
        {"id": make_id(style.ids, n, a, turn, i), "name": n, "arguments": json.dumps(a, ensure_ascii=False)}
        for i, (n, a) in enumerate(calls)
    ]
    if cut:
        written = written[:limit]
        said = "".join(written[len(thoughts) :])
        text, made = "" if calls else said, _partial(made, said, len(full))
    beside = {"whitespace": "\n", "text": "Let me look."}.get(style.content, "")
    content = text or (beside if calls else "")
    finish = "length" if cut else "tool_calls" if calls else "stop"
    reasoning, raw = "".join(written[: len(thoughts)]), "".join(written[len(thoughts) :])
    return Message(raw, content, reasoning, made, finish, cut, bool(body.get("stream")), turn), len(written)


def _partial(made, raw, whole):
    """A call that was cut in its arguments, as an engine with incremental parsing gives it."""
    if not made or made[0]["name"] not in raw:
        return []
    arguments = made[0]["arguments"]
    return [{**made[0], "arguments": arguments[: max(1, len(arguments) * len(raw) // whole - 1)]}]


def make_id(style, name, arguments, turn, place):
    digest = hashlib.sha256(f"{name}{arguments}{turn}{place}".encode()).hexdigest()
    kinds = {
        "mistral": digest[:9],
        "kimi": f"functions.{name}:{turn - 1 + place}",
        "uuid": f"chatcmpl-tool-{digest[:32]}",
    }
    return kinds.get(style, f"call_{digest[:24]}")


def _calls(message, indexed):
    return [
        {
            **({"index": i} if indexed else {}),
            "id": c["id"],
            "type": "function",
            "function": {"name": c["name"], "arguments": c["arguments"]},
        }
        for i, c in enumerate(message.calls)
    ]


def _whole(body, style, message, usage, fault):
    said = {"role": "assistant", "content": message.content}
    if not message.content and message.calls:
        said["content"] = None if style.content != "empty" else ""
        if style.content == "absent":
            del said["content"]
    if message.reasoning:
        said["reasoning_content"] = message.reasoning
    if message.calls:
        said["tool_calls"] = _calls(message, False)
    value = _envelope(body, "chat.completion", {"index": 0, "message": said, "finish_reason": message.finish})
    if usage:
        value["usage"] = usage
    return Answer(parts=[json.dumps(fault.value(value), ensure_ascii=False).encode()])


def _envelope(body, kind, choice):
    return {"id": "chatcmpl-fake", "object": kind, "created": 0, "model": body.get("model"), "choices": [choice]}


def _stream(body, style, message, usage, fault):
    def split(text):
        return {"char": list, "whole": lambda t: [t] if t else [], "token": tokens}[style.chunk](text)

    deltas = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in split(message.reasoning)]
    deltas += [{"content": piece} for piece in split(message.content)]
    for call in _calls(message, True):
        arguments = call["function"]["arguments"]
        if style.chunk == "whole":
            deltas.append({"tool_calls": [call]})
            continue
        deltas.append({"tool_calls": [{**call, "function": {"name": call["function"]["name"], "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": call["index"], "function": {"arguments": p}}]} for p in split(arguments)]
    deltas = fault.deltas(deltas, message)
    ends = [None] * (len(deltas) - 1) + [message.early, message.finish]
    events = [
        _envelope(body, "chat.completion.chunk", {"index": 0, "delta": delta, "finish_reason": end})
        for delta, end in zip([*deltas, {}], ends, strict=True)
    ]
    if usage and (body.get("stream_options") or {}).get("include_usage"):
        events.append({**events[-1], "choices": [], "usage": usage})
    parts = [_event(json.dumps(event, ensure_ascii=False), style.sse) for event in events]
    parts.append(_event("[DONE]", style.sse))
    return Answer(content_type="text/event-stream", parts=[b"".join(parts)] if style.sse == "glued" else parts)


def _event(text, sse):
    if sse == "crlf":
        return f"data:{text}\r\n\r\n".encode()
    return (": keep-alive\n\n" if sse == "comments" else "").encode() + f"data: {text}\n\n".encode()


def error(text, kind):
    return {"error": {"message": text, "type": kind, "param": None, "code": None}}


def embeddings(body, dimensions):
    texts = body.get("input")
    texts = texts if isinstance(texts, list) else [texts]
    data = [{"object": "embedding", "index": i, "embedding": _vector(str(t), dimensions)} for i, t in enumerate(texts)]
    usage = {"prompt_tokens": len(data), "total_tokens": len(data)}
    return {"object": "list", "data": data, "model": body.get("model"), "usage": usage}


def _vector(text, dimensions):
    digest = hashlib.sha256(text.encode()).digest()
    return [digest[i % len(digest)] / 255 - 0.5 for i in range(dimensions)]
