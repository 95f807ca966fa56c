"""Changes of a value that software makes and a model hardly does: they tell a parser's fault from a slip in copying."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from orchestrator.core.dialogue.codes import Code


def damage(got: dict[str, Any], sent: dict[str, Any]) -> Code | None:
    """The first change that has a name, None if there is none or only ones that a model might have made."""
    return next((code for name, value in sent.items() for code in _one(got.get(name), value)), None)


def _one(got: Any, sent: Any) -> Iterator[Code]:
    if got == sent and type(got) is type(sent):
        return
    if isinstance(sent, str):
        if isinstance(got, str) and "</" in sent and got.rstrip() == sent[: sent.index("</")].rstrip():
            yield Code.VALUE_CUT_AT_TAG
        elif got in _changed(sent) or _coerced(got, sent):
            yield Code.FIDELITY_LOST
    elif isinstance(sent, int):
        if _rounded(got, sent):
            yield Code.FIDELITY_LOST
    elif isinstance(sent, (list, dict)) and isinstance(got, str):
        if _json(got) == sent:
            yield Code.NESTED_STRINGIFIED
    elif isinstance(sent, list) and isinstance(got, list) and len(got) == len(sent):
        for mine, yours in zip(got, sent, strict=True):
            yield from _one(mine, yours)
    elif isinstance(sent, dict) and isinstance(got, dict) and got.keys() == sent.keys():
        for key in sent:
            yield from _one(got[key], sent[key])


def _coerced(got: Any, sent: str) -> bool:
    """A text of digits that became a number."""
    try:
        return isinstance(got, (int, float)) and float(sent) == got
    except ValueError:
        return False


def _rounded(got: Any, sent: int) -> bool:
    """An integer that went through a float, or became a text."""
    near = int(float(sent))
    return got in (float(sent), str(sent), str(float(sent))) or (got == near and near != sent)


def _changed(text: str) -> set[str]:
    """What wrong encodings make of a text. (One escape too many or too few may also be the model's, where the wire
    format wants none: that is not among them.)"""
    made = {
        text.encode("ascii", "replace").decode(),
        text.encode("ascii", "ignore").decode(),
        text.encode().decode("latin-1"),
        text.encode().decode("ascii", "replace"),
        text.replace("<", "&lt;").replace(">", "&gt;"),
    }
    return made - {text}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
