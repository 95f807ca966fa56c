"""Which model a request body asks for, and the same body with another one or other parameters: all other bytes stay."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator

from orchestrator.core.wire.edits import UNCHANGED, Edits
from orchestrator.core.wire.found import Found, Member
from orchestrator.core.wire.scanner import MAX_MODEL, SPACE, Scanner

_SMALL = 64 << 10
_MODEL = re.compile(rb'"model"[ \t\n\r]*:[ \t\n\r]*"([^"\\]{1,%d})"' % MAX_MODEL)
_NONE: frozenset[str] = frozenset()


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def find(body: bytes, watched: frozenset[str] = _NONE) -> Found:
    """What a Scanner finds in a whole body; a small and plain one is read by the C parser instead, which does not say
    where the watched members stand. Raises NotJson."""
    if len(body) <= _SMALL and (found := _quick(body, watched)) is not None:
        return found
    return _scan(body, watched)


def _scan(body: bytes, watched: frozenset[str]) -> Found:
    scanner = Scanner(watched)
    scanner.feed(body)
    return scanner.close()


def _quick(body: bytes, watched: frozenset[str]) -> Found | None:
    """None: let the scanner say. Without \\u a key `model` can only be written as such, so one hit is the only one."""
    if body.count(b'"model"') != 1 or body.find(b"\\u") >= 0:  # `in` costs a TypeError inside, in CPython
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
    span = (hit.start(1) - 1, hit.end(1) + 1)
    has_tools = isinstance(tools, list) and bool(tools)
    if not watched:
        return Found(read["model"], span, has_tools)
    seen = frozenset(key for key in watched if key in read)
    return Found(read["model"], span, has_tools, seen, frozenset(key for key in seen if read[key] is not None))


def change(body: bytes, found: Found, model: str, edits: Edits = UNCHANGED) -> bytes:
    """`body` asking for `model`, its parameters edited: members go with their comma, what is added comes first.

    found: of this body, with `edits.keys` watched. Untouched where nothing is to be changed.
    """
    if edits is UNCHANGED:
        return body if found.model == model else _replaced(body, found.span, model)
    cuts: list[tuple[int, int, bytes]] = []
    if edits:
        out, added = edits.decide(found.seen, found.said)
        if out:
            members = _scan(body, out).members if found.members is None else found.members
            cuts += _cuts(body, (member for member in members or () if member.key in out))
        if added:
            at = body.index(b"{") + 1
            cuts.append((at, at, b"".join(b"%b:%b," % (_quoted(key), value) for key, value in added.items())))
    if found.model != model:
        cuts.append((*found.span, _quoted(model)))
    if not cuts:
        return body
    pieces: list[bytes] = []
    done = 0
    for start, end, text in sorted(cuts):
        pieces += (body[done:start], text)
        done = end
    return b"".join((*pieces, body[done:]))


def _replaced(body: bytes, span: tuple[int, int], model: str) -> bytes:
    return b"%b%b%b" % (body[: span[0]], _quoted(model), body[span[1] :])


def _cuts(body: bytes, members: Iterable[Member]) -> Iterator[tuple[int, int, bytes]]:
    """What to cut out so that the rest is JSON: the comma before a member goes with it, or, while nothing is left
    before it, the one behind. `model` always is left."""
    first = _space(body, body.index(b"{") + 1)
    for member in members:
        if member.start == first:
            after = _space(body, member.end)
            first = _space(body, after + 1)
            yield member.start, first, b""
        else:
            yield body.rindex(b",", 0, member.start), member.end, b""


def _space(body: bytes, pos: int) -> int:
    """Where white space from `pos` on ends."""
    hit = SPACE.match(body, pos)
    return hit.end() if hit else pos


@functools.lru_cache(maxsize=256)
def _quoted(text: str) -> bytes:
    return json.dumps(text).encode()
