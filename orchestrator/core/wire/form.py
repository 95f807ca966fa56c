"""Reads a multipart/form-data body while it arrives, and writes it anew with another `model` and other fields.

Only what every reader understands alike passes (RFC 7578 without its options): a gateway and an engine that read one
form differently are a way around the gateway. A file is not kept once the form has begun to go out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from orchestrator.core.wire.edits import UNCHANGED, Edits, alike
from orchestrator.core.wire.part import NotForm, Part, fields, read_head

MAX_HEAD = 8 << 10
MAX_MODEL = 1024
MAX_PARTS = 256
START, HEAD, DATA, AFTER, TAIL = range(5)


class Form:
    """`feed` the body in any pieces, then `close`. All of it is kept until `begin`; from then on `take` gives what goes
    out. model: None until its field is whole. Everything raises NotForm."""

    __slots__ = (
        "_carry",
        "_delimiter",
        "_edits",
        "_gone",
        "_out",
        "_parts",
        "_said",
        "_tail",
        "_want",
        "begun",
        "boundary",
        "model",
    )

    def __init__(self, boundary: bytes) -> None:
        self.boundary = boundary
        self._delimiter = b"\r\n--" + boundary
        self._want = START
        self._carry = self._tail = b""
        self._parts: list[Part] = []
        self._out: list[bytes | bytearray] = []
        self._edits = UNCHANGED
        self._gone: frozenset[str] = frozenset()
        self._said: set[str] = set()
        self.begun = False
        self.model: str | None = None

    def feed(self, data: bytes) -> None:
        data, self._carry = self._carry + data, b""
        pos = 0
        while pos < len(data):
            after = self._step(data, pos)
            if after == pos:  # cut in the middle of something short: wait for the rest
                self._carry = data[pos:]
                break
            pos = after

    def close(self) -> None:
        """The body has come to its end."""
        if self._want != TAIL or self._tail not in (b"", b"\r\n"):
            raise NotForm("the form ends in the middle")
        if self.begun:
            self._out += self._end()

    def begin(self, model: str, edits: Edits) -> int | None:
        """What is here goes out, and all that comes. The bytes by which the body grows, None where only its end tells.

        Only once a `model` has been found.
        """
        old = next(part for part in self._parts if part.name == "model")
        self._out = self._front(model, edits)
        last = self._parts[-1]
        self.begun, self._parts = True, [replace(last, data=bytearray())]
        return None if edits else len(model.encode()) - len(old.data)

    def take(self) -> bytes:
        out, self._out = b"".join(self._out), []
        return out

    def whole(self, model: str, edits: Edits) -> bytes:
        """A closed form as it goes out. It is kept, so this may be asked again."""
        return b"".join((*self._front(model, edits), *self._end()))

    # What goes out

    def _front(self, model: str, edits: Edits) -> list[bytes | bytearray]:
        self._edits, self._said = edits, set()
        self._gone = edits.drop | {name for key in edits.put for name in alike(key)}
        out: list[bytes | bytearray] = []
        for key, value in edits.put.items():
            out += fields(self.boundary, key, value)
        for part in self._parts:
            if self._keeps(part):
                out += (self._head(part), model.encode() if part.name == "model" else part.data)
                out += (b"\r\n",) if part.whole else ()
        return out

    def _keeps(self, part: Part) -> bool:
        if part.key in self._gone:
            return False
        self._said.add(part.key)
        return True

    def _head(self, part: Part) -> bytes:
        return b"--%b\r\n%b\r\n\r\n" % (self.boundary, part.head)

    def _end(self) -> Iterator[bytes]:
        for key, value in self._edits.fill.items():
            if not any(name in self._said for name in alike(key)):
                yield from fields(self.boundary, key, value)
        yield b"--%b--%b" % (self.boundary, self._tail)

    # What comes in

    def _step(self, data: bytes, pos: int) -> int:
        """Where what was understood ends, `pos` if it needs more bytes."""
        if self._want == DATA:
            return self._data(data, pos)
        if self._want == HEAD:
            return self._headers(data, pos)
        if self._want == TAIL:
            self._tail += data[pos : pos + 3]
            if not b"\r\n".startswith(self._tail):
                raise NotForm("something follows the form's end")
            return len(data)
        delimiter = self._delimiter[2:] if self._want == START else b""
        end = pos + len(delimiter) + 2
        piece = data[pos:end]
        if not any((delimiter + mark).startswith(piece) for mark in (b"\r\n", b"--")):
            raise NotForm("the body does not begin with its boundary" if delimiter else "a boundary line goes on")
        if len(piece) < len(delimiter) + 2:
            return pos
        self._want = HEAD if piece.endswith(b"\r\n") else TAIL
        return end

    def _headers(self, data: bytes, pos: int) -> int:
        end = data.find(b"\r\n\r\n", pos, pos + MAX_HEAD)
        if end < 0:
            if len(data) - pos >= MAX_HEAD:
                raise NotForm("the headers of a part are too long")
            return pos
        part = read_head(data[pos:end])
        if part.name == "model" and (self.model is not None or any(p.name == "model" for p in self._parts)):
            raise NotForm("`model` is there twice")
        if part.name == "model" and part.is_file:
            raise NotForm("`model` is a file")
        self._want = DATA
        if not self.begun:
            if len(self._parts) == MAX_PARTS:
                raise NotForm("the form has too many parts")
            self._parts.append(part)
        else:
            self._parts = [part]
            if self._keeps(part):
                self._out.append(self._head(part))
        return end + 4

    def _data(self, data: bytes, pos: int) -> int:
        """The delimiter's first bytes may be all that is there of it: as many are left for the next piece."""
        end = data.find(self._delimiter, pos)
        part = self._parts[-1]
        sure = end if end >= 0 else max(pos, len(data) - len(self._delimiter) + 1)
        if sure > pos:
            self._piece(part, data[pos:sure])
        if end < 0:
            return sure
        part.whole, self._want = True, AFTER
        if part.name == "model":
            self.model = _text(bytes(part.data))
        if self.begun and part.key not in self._gone:
            self._out.append(b"\r\n")
        return end + len(self._delimiter)

    def _piece(self, part: Part, piece: bytes) -> None:
        if not self.begun:
            part.data += piece
        elif part.key not in self._gone:
            self._out.append(piece)
        if part.name == "model" and len(part.data) > MAX_MODEL:
            raise NotForm("`model` is too long")


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise NotForm("`model` is not UTF-8") from None
