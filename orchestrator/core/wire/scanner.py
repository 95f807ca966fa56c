"""Reads a JSON request body while it arrives, and remembers only what routes it: `model`, whether it has tools, and
where the members stand whose keys it was told to watch.

The grammar is checked in full (RFC 8259; UTF-8 is left to the engine), because a gateway and an engine that read one
body differently are a way around the gateway: hence also no duplicate `model`. Memory is bounded whatever the body.
"""

from __future__ import annotations

import json
import re

from orchestrator.core.wire.found import Found, Member, NotJson, found

_WS = rb"[ \t\n\r]*+"
_TEXT = rb'[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+'
_NUMBER = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
_SCALAR = rb'(?:"%b"|%b|true|false|null)' % (_TEXT, _NUMBER)

SPACE = re.compile(_WS)
TEXT = re.compile(_TEXT)
HALF_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?")
WORD = re.compile(rb"[-+.0-9A-Za-z]++")
ATOM = re.compile(rb"%b|true|false|null" % _NUMBER)
# Members and elements up to and with their comma in one step: what ends in a comma was not cut by a chunk's end.
MEMBERS = re.compile(rb'(?:"%b"%b:%b%b%b,%b)*+' % (_TEXT, _WS, _WS, _SCALAR, _WS, _WS))
ELEMENTS = re.compile(rb"(?:%b%b,%b)*+" % (_SCALAR, _WS, _WS))

MAX_DEPTH = 512
MAX_MODEL = 1024
MAX_WORD = 4300
"""Bytes of the `model` value as written, and of one number: Python's own limit for integers."""
_MAX_KEY = 64
_LONGEST_ESCAPE = 6
"""Bytes of a key as written for each of its bytes as read: `\\u0061`."""
MAX_MEMBERS = 4096
"""Watched members in one body, repetitions included."""

_OBJECT, _ARRAY = ord("{"), ord("[")
_END = {_OBJECT: ord("}"), _ARRAY: ord("]")}
_QUOTE, _COLON, _COMMA, _BACKSLASH = b'":,\\'


START, KEY_OR_END, KEY, COLON, VALUE_OR_END, VALUE, COMMA_OR_END, NOTHING = range(8)
"""What the scanner wants next. Plain numbers: an enum's member costs a look-up in each step."""
_RUNS = (KEY, KEY_OR_END, VALUE, VALUE_OR_END)


class Scanner:
    """`feed` the body in any pieces, then `close`. watched: keys of the body itself, never `model`."""

    __slots__ = (
        "_captured",
        "_carry",
        "_is_key",
        "_key",
        "_key_start",
        "_longest",
        "_members",
        "_model",
        "_offset",
        "_quoted",
        "_span",
        "_stack",
        "_start",
        "_tools",
        "_tools_open",
        "_want",
        "_watched",
    )

    def __init__(self, watched: frozenset[str] = frozenset()) -> None:
        self._watched = {key.encode("utf-8", "surrogatepass"): key for key in watched}
        self._longest = max((_LONGEST_ESCAPE * len(key) for key in self._watched), default=0)
        self._longest = max(self._longest, _MAX_KEY)
        self._members: list[Member] = []
        self._key_start = 0
        self._want = START
        self._stack = bytearray()
        self._offset = 0
        self._carry = b""
        self._quoted = False
        self._is_key = False
        self._captured: bytearray | None = None
        self._key = b""
        self._model: str | None = None
        self._start = 0
        self._span = (0, 0)
        self._tools = False
        self._tools_open = False

    def feed(self, data: bytes) -> None:
        """Raises NotJson."""
        if self._carry:
            data, self._carry = self._carry + data, b""
        pos, end = 0, len(data)
        while pos < end:
            after = self._text(data, pos) if self._quoted else self._token(data, pos)
            if after == pos:  # cut in the middle of something short: wait for the rest
                self._carry = data[pos:]
                break
            pos = after
        self._offset += pos

    def close(self) -> Found:
        """Raises NotJson where the body ends too early."""
        if self._want != NOTHING:
            text = "the body ends in the middle" if self._want != START else "the body is empty"
            raise NotJson(text, self._offset + len(self._carry))
        return found(self._model, self._span, self._tools, self._members)

    def _token(self, data: bytes, pos: int) -> int:
        """One token from `pos`, or a run of simple ones; returns where it ended, `pos` if it needs more bytes."""
        want = self._want
        if len(self._stack) > 1 and want in _RUNS:
            after = self._run(data, pos)
            if after > pos:
                return after
        start = _end(SPACE, data, pos)
        if start == len(data):
            return start
        byte = data[start]
        if want in (KEY, KEY_OR_END):
            return self._at_key(byte, start)
        if want in (VALUE, VALUE_OR_END):
            return self._at_value(data, byte, start, pos)
        if want == COLON and byte == _COLON:
            self._want = VALUE
        elif want == COMMA_OR_END and byte == _COMMA:
            self._want = KEY if self._stack[-1] == _OBJECT else VALUE
        elif want == COMMA_OR_END and byte == _END[self._stack[-1]]:
            self._pop(start)
        elif want == START and byte == _OBJECT:
            self._push(byte, start)
        elif want == START:
            raise NotJson("the body is not a JSON object", self._offset + start)
        else:
            raise self._unexpected(start)
        return start + 1

    def _run(self, data: bytes, pos: int) -> int:
        """Below the top level, whole members or elements in one step."""
        if self._want in (KEY, KEY_OR_END):
            after = _end(MEMBERS, data, pos)
            if after > pos:
                self._want = KEY
        elif self._stack[-1] == _ARRAY:
            after = _end(ELEMENTS, data, pos)
            if after > pos:
                self._tools, self._tools_open = self._tools or self._tools_open, False
                self._want = VALUE
        else:
            after = pos
        return after

    def _at_key(self, byte: int, start: int) -> int:
        if byte == _QUOTE:
            self._quoted = self._is_key = True
            self._captured = bytearray() if len(self._stack) == 1 else None
            self._key_start = self._offset + start if len(self._stack) == 1 else self._key_start
        elif byte == _END[_OBJECT] and self._want == KEY_OR_END:
            self._pop(start)
        else:
            raise self._unexpected(start)
        return start + 1

    def _at_value(self, data: bytes, byte: int, start: int, pos: int) -> int:
        """A value begins at `start`; `pos` is where its white space began."""
        top = len(self._stack) == 1
        if self._tools_open:
            self._tools, self._tools_open = self._tools or byte != _END[_ARRAY], False
        if top and self._key == b"model" and byte != _QUOTE:
            raise NotJson("`model` is not a string", self._offset + start)
        if top and self._key == b"tools":
            self._tools = False
        if byte == _QUOTE:
            self._quoted, self._is_key = True, False
            wanted = top and self._key == b"model"
            self._captured = bytearray() if wanted else None
            self._start = self._offset + start
        elif byte in (_OBJECT, _ARRAY):
            self._tools_open = top and byte == _ARRAY and self._key == b"tools"
            self._push(byte, start)
        elif byte == _END[_ARRAY] and self._want == VALUE_OR_END:
            self._pop(start)
        else:
            after = _end(WORD, data, start)
            if after - start > MAX_WORD:
                raise NotJson("a number is too long", self._offset + start)
            if after == len(data):
                return pos
            if not ATOM.fullmatch(data, start, after):
                raise self._unexpected(start)
            self._want = COMMA_OR_END
            self._value_ended(self._offset + after, data[start:after] == b"null")
            return after
        return start + 1

    def _text(self, data: bytes, pos: int) -> int:
        """Inside a string: goes on from `pos`; returns where it stopped, `pos` if it needs more bytes."""
        after = _end(TEXT, data, pos)
        if self._captured is not None:
            self._captured += data[pos:after]
            if len(self._captured) > MAX_MODEL and not self._is_key:
                raise NotJson("`model` is too long", self._start)
            if len(self._captured) > self._longest and self._is_key:
                self._captured = None
        if after == len(data):
            return after
        if data[after] == _QUOTE:
            self._quoted = False
            self._string_ended(self._offset + after + 1)
            return after + 1
        if data[after] == _BACKSLASH and HALF_ESCAPE.fullmatch(data, after):
            return after
        raise NotJson("a string with a bad escape or control character", self._offset + after)

    def _string_ended(self, end: int) -> None:
        raw, self._captured = self._captured, None
        if self._is_key:
            self._want = COLON
            if len(self._stack) == 1:
                self._key = _decoded(raw) if raw else b""
            return
        self._want = COMMA_OR_END
        self._value_ended(end)
        if raw is None:
            return
        if self._model is not None:
            raise NotJson("`model` is there twice", self._start)
        try:
            self._model = json.loads(b'"%b"' % bytes(raw))
        except UnicodeDecodeError:
            raise NotJson("`model` is not UTF-8", self._start) from None
        self._span = (self._start, end)

    def _push(self, byte: int, start: int) -> None:
        if len(self._stack) == MAX_DEPTH:
            raise NotJson(f"nested deeper than {MAX_DEPTH}", self._offset + start)
        self._stack.append(byte)
        self._want = KEY_OR_END if byte == _OBJECT else VALUE_OR_END

    def _pop(self, start: int) -> None:
        self._stack.pop()
        self._want = COMMA_OR_END if self._stack else NOTHING
        self._value_ended(self._offset + start + 1)

    def _value_ended(self, end: int, null: bool = False) -> None:
        """A value that ends where the body itself goes on belongs to the last key seen there."""
        if len(self._stack) == 1 and self._key in self._watched:
            if len(self._members) == MAX_MEMBERS:
                raise NotJson("the same keys are there too many times", self._key_start)
            self._members.append(Member(self._watched[self._key], self._key_start, end, null))

    def _unexpected(self, start: int) -> NotJson:
        return NotJson("the body is not JSON", self._offset + start)


def _end(pattern: re.Pattern[bytes], data: bytes, pos: int) -> int:
    """Where `pattern`, which also matches nothing, ends."""
    hit = pattern.match(data, pos)
    return hit.end() if hit else pos


def _decoded(raw: bytearray) -> bytes:
    """A key as it reads: `mod\\u0065l` is `model` too."""
    if _BACKSLASH not in raw:
        return bytes(raw)
    text: str = json.loads('"' + bytes(raw).decode("utf-8", "surrogateescape") + '"')
    return text.encode("utf-8", "surrogatepass")
