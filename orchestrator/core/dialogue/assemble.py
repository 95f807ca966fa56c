"""Puts a streamed reply together as clients do, and notes where the deltas of its calls break their rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.dialogue.codes import Code
from orchestrator.core.dialogue.reply import Call, Defect


@dataclass(slots=True)
class _Part:
    index: int
    id: str = ""
    name: str = ""
    repeated: bool = False
    arguments: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.arguments)


class Assembly:
    """`feed` each event's choice in turn; a new id at a used index begins another call."""

    def __init__(self) -> None:
        self.content: list[str] = []
        self.reasoning: list[str] = []
        self.finish: str | None = None
        self.defects: list[Defect] = []
        self._parts: list[_Part] = []
        self._finishes: list[str] = []

    def feed(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        if isinstance(delta.get("content"), str):
            self.content.append(delta["content"])
        thought = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thought, str):
            self.reasoning.append(thought)
        for one in delta.get("tool_calls") or []:
            if isinstance(one, dict):
                self._delta(one)
        if isinstance(choice.get("finish_reason"), str) and choice["finish_reason"]:
            self.finish = str(choice["finish_reason"])
            self._finishes.append(self.finish)

    def _delta(self, one: dict[str, Any]) -> None:
        index = one.get("index")
        index = index if isinstance(index, int) else len(self._parts) if one.get("id") else len(self._parts) - 1
        part = next((p for p in reversed(self._parts) if p.index == index), None)
        if part is None or (one.get("id") and part.id and one["id"] != part.id):
            part = _Part(index)
            self._parts.append(part)
        part.id = part.id or str(one.get("id") or "")
        function = one.get("function")
        function = function if isinstance(function, dict) else {}
        if function.get("name"):
            # a name in pieces joins to the right one; the whole name again joins to nonsense
            name = str(function["name"])
            part.repeated |= name == part.name
            part.name = name if part.repeated else part.name + name
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            part.arguments.append(arguments)

    def calls(self) -> tuple[Call, ...]:
        """The calls that a careful client would keep; adds the defects found in their deltas."""
        kept: list[_Part] = []
        for part in self._parts:
            if half := _half(part.text):
                self.defects.append(Defect(Code.CALL_RESENT, f"index {part.index}: the arguments came twice"))
                part.arguments = [half]
            twin = next((p for p in kept if p.index == part.index), None)
            if twin is None:
                kept.append(part)
            elif (twin.name, twin.text) == (part.name, part.text):
                self.defects.append(Defect(Code.CALL_RESENT, f"index {part.index} came again with id {part.id!r}"))
            else:
                self.defects.append(Defect(Code.INDEX_COLLISION, f"two different calls share index {part.index}"))
                kept.append(part)
        self._rules(kept)
        return tuple(Call(i, part.id, part.name, part.text) for i, part in enumerate(kept))

    def _rules(self, kept: list[_Part]) -> None:
        indexes = sorted({part.index for part in kept})
        if indexes and indexes != list(range(len(indexes))):
            self.defects.append(Defect(Code.INDEX_GAP, f"the calls' indexes are {indexes}"))
        if any(part.repeated for part in kept):
            text = "a call's name came in more than one delta: clients join them"
            self.defects.append(Defect(Code.NAME_REPEATED, text))
        if len(set(self._finishes)) > 1:
            self.defects.append(Defect(Code.FINISH_REPEATED, f"more than one finish_reason: {self._finishes}"))


def _half(text: str) -> str:
    """X of `XX` where X is a whole object, else nothing."""
    half = text[: len(text) // 2]
    return half if half.startswith("{") and half.endswith("}") and half * 2 == text else ""
