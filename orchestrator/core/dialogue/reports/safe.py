"""Texts of strangers made fit for a report: cut short, without what a format cannot hold, without the key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

T = TypeVar("T")
MASK = "[key]"
SHORTEST = 4
"""Characters below which a key is no secret, and hiding it would only spoil the words that hold it."""
_LOST = "�"


def whole(text: str) -> str:
    """Without lone halves of surrogate pairs, which JSON can bring in and UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode() if not text.isascii() and _has_surrogate(text) else text


def plain(text: str) -> str:
    """Only characters that XML 1.0 (2.2 Characters) and HTML allow: control characters are shown as pictures (U+2400),
    the rest of what they forbid as U+FFFD."""
    return "".join(char if _allowed(ord(char)) else _shown(ord(char)) for char in text)


def cut(text: str, most: int) -> str:
    """Head and tail of a longer text, with the number of characters between them."""
    if len(text) <= most:
        return text
    head = most * 2 // 3
    return f"{text[:head]}\n[... {len(text) - most} characters ...]\n{text[head - most :]}"


def cleaned(value: T) -> T:
    """The same with every text in it `plain`: of dataclasses, mappings and sequences."""
    return cast(T, _mapped(value, plain))


def masked(value: T, key: str | None) -> T:
    """A verdict, a finding or a turn without the key that the server was asked with: a server may repeat it in an error
    that is our evidence."""
    if not key or len(key) < SHORTEST:
        return value
    forms = sorted({key, json.dumps(key)[1:-1], json.dumps(key, ensure_ascii=False)[1:-1]}, key=len, reverse=True)

    def hide(text: str) -> str:
        for form in forms:
            text = text.replace(form, MASK)
        return text

    return cast(T, _mapped(value, hide))


def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(str(value)) if type(value) is str else value  # an enum's value is ours
    if isinstance(value, Mapping):
        return {_mapped(key, change): _mapped(one, change) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_mapped(one, change) for one in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _mapped(getattr(value, one.name), change) for one in fields(value)})
    return value


def _has_surrogate(text: str) -> bool:
    return any(0xD800 <= ord(char) <= 0xDFFF for char in text)


def _allowed(point: int) -> bool:
    if point < 0x20:
        return point in (0x9, 0xA)
    return not (
        0x7F <= point <= 0x9F or 0xD800 <= point <= 0xDFFF or point & 0xFFFE == 0xFFFE or 0xFDD0 <= point <= 0xFDEF
    )


def _shown(point: int) -> str:
    return chr(0x2400 + point) if point < 0x20 else chr(0x2421) if point == 0x7F else _LOST


def texts(values: Sequence[Any], most: int) -> tuple[str, ...]:
    """Each as a text of at most about so many characters; what is no text as JSON."""
    return tuple(cut(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False), most) for one in values)
