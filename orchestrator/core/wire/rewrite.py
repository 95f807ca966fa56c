"""Which model a request body asks for, and the same body asking for another: all other bytes stay as they are."""

from __future__ import annotations

import functools
import json
import re

from orchestrator.core.wire.scanner import MAX_MODEL, Found, Scanner

_SMALL = 64 << 10
_MODEL = re.compile(rb'"model"[ \t\n\r]*:[ \t\n\r]*"([^"\\]{1,%d})"' % MAX_MODEL)


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def find(body: bytes) -> Found:
    """What a Scanner finds in a whole body; a small and plain one is read by the C parser instead. Raises NotJson."""
    if len(body) <= _SMALL and (found := _quick(body)) is not None:
        return found
    scanner = Scanner()
    scanner.feed(body)
    return scanner.close()


def _quick(body: bytes) -> Found | None:
    """None: let the scanner say. Without \\u a key `model` can only be written as such, so one hit is the only one."""
    if body.count(b'"model"') != 1 or b"\\u" in body:
        return None
    try:
        text = body.decode().strip(" \t\n\r")
        read, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if end != len(text):
        return None
    hit = _MODEL.search(body)
    if not hit or not isinstance(read, dict) or read.get("model") != hit[1].decode():
        return None
    tools = read.get("tools")
    return Found(read["model"], (hit.start(1) - 1, hit.end(1) + 1), isinstance(tools, list) and bool(tools))


def replace(body: bytes, span: tuple[int, int], model: str) -> bytes:
    """`body` with the JSON string `model` at `span`; every other byte as it was."""
    return b"%b%b%b" % (body[: span[0]], _quoted(model), body[span[1] :])


@functools.lru_cache(maxsize=256)
def _quoted(model: str) -> bytes:
    return json.dumps(model).encode()
