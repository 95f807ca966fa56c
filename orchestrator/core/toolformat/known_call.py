"""The known call, and the conversations in which a template is asked to write it.

Its words are chosen so that no template holds them by itself: where they turn up, the template put them there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

NAME = "look_up_tide"
KEY = "harbour"
VALUE = "Zeebrugge"
NUMBER_KEY = "moment"
NUMBER = 73519
ABOUT = "Water levels by the hour."
ANSWER = "Plain words, not a call."

TOOLS: tuple[Mapping[str, Any], ...] = (
    {
        "type": "function",
        "function": {
            "name": NAME,
            "description": ABOUT,
            "parameters": {
                "type": "object",
                "properties": {
                    KEY: {"type": "string", "description": "Which one."},
                    NUMBER_KEY: {"type": "integer", "description": "When."},
                },
                "required": [KEY, NUMBER_KEY],
            },
        },
    },
)


@dataclass(frozen=True, slots=True)
class Case:
    """One way to hand the same call to a template. arguments: "object" as transformers and vLLM do it, "text" as the
    OpenAI API has it; an id in the style of Mistral (nine letters or digits) or Kimi (`functions.NAME:0`)."""

    arguments: str
    id: str
    content: str | None = ""
    followed: bool = False
    """Whether the call's result and an answer come after it: some templates want that."""

    def messages(self) -> list[dict[str, Any]]:
        """The conversation with the call."""
        function = {"name": NAME, "arguments": dict(ARGUMENTS) if self.arguments == "object" else ARGUMENTS_TEXT}
        call = {"id": self.id, "type": "function", "function": function}
        messages = [_user("When is high water?"), {"role": "assistant", "content": self.content, "tool_calls": [call]}]
        if self.followed:
            result = {"role": "tool", "tool_call_id": self.id, "name": NAME, "content": "4 m"}
            messages += [result, _plain("At noon.")]
        return messages

    def baseline(self) -> list[dict[str, Any]]:
        """The same conversation with ANSWER in the call's place: what stands around any message of the model."""
        messages = [_user("When is high water?"), _plain(ANSWER)]
        return [*messages, _user("4 m"), _plain("At noon.")] if self.followed else messages


ARGUMENTS: Mapping[str, Any] = MappingProxyType({KEY: VALUE, NUMBER_KEY: NUMBER})
ARGUMENTS_TEXT = f'{{"{KEY}": "{VALUE}", "{NUMBER_KEY}": {NUMBER}}}'
NINE, KIMI = "tide00001", f"functions.{NAME}:0"

CASES = (
    Case("object", NINE),
    Case("text", NINE),
    Case("object", KIMI),
    Case("text", KIMI),
    Case("object", NINE, content=None),
    Case("text", NINE, content=None),
    Case("object", NINE, followed=True),
    Case("text", NINE, followed=True),
)
"""In the order in which they are believed: the first whose call can be read. What engines do comes first."""


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _plain(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}
