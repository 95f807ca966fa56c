"""Dialogues as values, and their text: what chat_template.jinja renders, cut into trained and given parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Message = dict[str, Any]
ToJson = Callable[[Any], str]
DEFAULT_SYSTEM = "You are a small self-test model."
TOOLS_HEAD = "\n\n# Tools\nOne JSON signature per line:\n<tools>"
TOOLS_TAIL = '\n</tools>\nCall format:\n<tool_call>\n{"name": <name>, "arguments": <object>}\n</tool_call>'


def to_json(value: Any) -> str:
    """JSON as `tojson` of the chat template writes it: spaces after `:` and `,`, no escapes for unicode."""
    return json.dumps(value, ensure_ascii=False)


def compact_json(value: Any) -> str:
    """JSON without spaces, as some engines write calls back into the history."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sorted_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


@dataclass
class Dialogue:
    """An OpenAI conversation; `steps` names the kind of each assistant message, in order."""

    messages: list[Message] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    def user(self, text: str) -> None:
        self.messages.append({"role": "user", "content": text})

    def says(self, text: str, step: str) -> None:
        self.messages.append({"role": "assistant", "content": text})
        self.steps.append(step)

    def calls(self, calls: Sequence[tuple[str, Any]], step: str) -> None:
        """`calls`: (tool, arguments); arguments are an object, or JSON text that is to be kept as it is."""
        made = [{"type": "function", "function": {"name": name, "arguments": args}} for name, args in calls]
        self.messages.append({"role": "assistant", "content": "", "tool_calls": made})
        self.steps.append(step)

    def result(self, content: Any, dump: ToJson = to_json) -> None:
        text = content if isinstance(content, str) else dump(content)
        self.messages.append({"role": "tool", "content": text})


@dataclass(frozen=True)
class Style:
    """How an engine renders: tools, and the calls of assistant messages (by index) that carry no loss."""

    tools: ToJson = to_json
    history: ToJson = to_json
    untrained: frozenset[int] = frozenset()


PLAIN = Style()


@dataclass(frozen=True)
class Segment:
    text: str
    trained: bool


def call_text(message: Message, dump: ToJson) -> str:
    parts = [message["content"]] if message.get("content") else []
    for call in message.get("tool_calls", ()):
        name, args = call["function"]["name"], call["function"]["arguments"]
        text = args if isinstance(args, str) else dump(args)
        parts.append('<tool_call>\n{"name": "' + name + '", "arguments": ' + text + "}\n</tool_call>")
    return "\n".join(parts)


def segments(dialogue: Dialogue, style: Style = PLAIN) -> list[Segment]:
    """The rendered conversation; trained segments are assistant texts with their end marker."""
    messages = dialogue.messages
    first = messages[0]
    text = "<|im_start|>system\n"
    text += (first["content"] if first["role"] == "system" else "") or DEFAULT_SYSTEM
    if dialogue.tools:
        text += TOOLS_HEAD + "".join("\n" + style.tools(tool) for tool in dialogue.tools) + TOOLS_TAIL
    text += "<|im_end|>\n"
    out: list[Segment] = []
    for index, message in enumerate(messages):
        if message["role"] == "user":
            text += f"<|im_start|>user\n{message['content']}<|im_end|>\n"
        elif message["role"] == "assistant":
            text += "<|im_start|>assistant\n"
            if index in style.untrained:
                text += call_text(message, style.history) + "<|im_end|>\n"
            else:
                out += [Segment(text, False), Segment(call_text(message, to_json) + "<|im_end|>", True)]
                text = "\n"
        elif message["role"] == "tool":
            if messages[index - 1]["role"] != "tool":
                text += "<|im_start|>user"
            text += f"\n<tool_response>\n{message['content']}\n</tool_response>"
            if index + 1 == len(messages) or messages[index + 1]["role"] != "tool":
                text += "<|im_end|>\n"
    return out if text == "\n" else [*out, Segment(text, False)]
