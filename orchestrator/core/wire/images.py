"""Whether a request shows its model a picture, in any of the three dialects of chat."""

from __future__ import annotations

import json
from typing import Any

KINDS = frozenset(("image_url", "input_image", "image"))
"""`type` of such a part in chat completions, in responses, in messages."""
_MARKS = tuple(f'"{kind}"'.encode() for kind in KINDS)
_COMMON = b"image"
"""Stands in every mark, and not at all in most bodies."""


def has_images(body: bytes | bytearray) -> bool:
    """body: JSON, already checked. It is read only where a part's kind stands in it at all: in a text the quotes would
    be escaped."""
    if body.find(_COMMON) < 0 or not any(mark in body for mark in _MARKS):  # `in` costs a TypeError inside, in CPython
        return False
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return False
    said = [read.get(key) for key in ("messages", "input")] if isinstance(read, dict) else []
    return any(_shows(message) for messages in said if isinstance(messages, list) for message in messages)


def _shows(item: Any) -> bool:
    """A message, or a part of one; a tool's result holds parts of its own."""
    if not isinstance(item, dict):
        return False
    if item.get("type") in KINDS:
        return True
    inner = item.get("content", item.get("output"))
    return isinstance(inner, list) and any(_shows(part) for part in inner)
