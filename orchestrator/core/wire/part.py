"""One part of a multipart/form-data body: its headers read, and a field of ours written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rb'[ \t]*;[ \t]*(%b)=(?:"((?:[^"\\\r\n]|\\[^\r\n])*)"|(%b))' % (_TOKEN, _TOKEN))
_HEADER = re.compile(rb"(%b):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)" % _TOKEN)
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_PLAIN = (b"7bit", b"8bit", b"binary")


class NotForm(ValueError):
    """The body is no multipart/form-data, or one that readers would not agree on."""


def boundary_of(content_type: bytes) -> bytes:
    """Of a Content-Type header's value. Raises NotForm."""
    kind, _, rest = content_type.partition(b";")
    if kind.strip().lower() != b"multipart/form-data":
        raise NotForm("the body must be multipart/form-data")
    found = [value for name, value in _parameters(b";" + rest) if name == b"boundary"]
    if len(found) != 1 or not _BOUNDARY.fullmatch(found[0]):
        raise NotForm("the Content-Type needs one good `boundary`")
    return found[0]


def content_type(boundary: bytes) -> bytes:
    """The header's value, as every reader takes it."""
    quoted = boundary if re.fullmatch(_TOKEN, boundary) else b'"%b"' % boundary
    return b"multipart/form-data; boundary=" + quoted


@dataclass(slots=True)
class Part:
    """head: its header lines as they came; data: what is kept of it; whole: it has come to its end."""

    name: str
    is_file: bool
    head: bytes
    data: bytearray = field(default_factory=bytearray)
    whole: bool = False

    @property
    def key(self) -> str:
        """The parameter that it is: `include[]` is one of several `include`."""
        return self.name.removesuffix("[]")


def read_head(head: bytes) -> Part:
    """The header lines of a part, without the empty one. Raises NotForm."""
    found: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n"):
        hit = _HEADER.fullmatch(line)
        if hit is None:
            raise NotForm("a part has a bad header")
        name = hit[1].lower()
        if name in found:
            raise NotForm("a header of a part is there twice")
        found[name] = hit[2].strip()
    if found.get(b"content-transfer-encoding", b"binary").lower() not in _PLAIN:
        raise NotForm("a part has a Content-Transfer-Encoding")
    kind, semicolon, rest = found.get(b"content-disposition", b"").partition(b";")
    if kind.strip().lower() != b"form-data":
        raise NotForm("a part is not form-data")
    parameters = _parameters(semicolon + rest)
    names = [value for name, value in parameters if name == b"name"]
    if len(names) != 1 or b"\\" in names[0] or any(name == b"name*" for name, _ in parameters):
        raise NotForm("a part needs one plain `name`")
    try:
        name_text = names[0].decode()
    except UnicodeDecodeError:
        raise NotForm("a part's name is not UTF-8") from None
    return Part(name_text, any(name in (b"filename", b"filename*") for name, _ in parameters), head)


def _parameters(text: bytes) -> list[tuple[bytes, bytes]]:
    """`; a=b; c="d"` -> [(name in lower case, value as it is written)]."""
    found, pos = [], 0
    while hit := _PARAMETER.match(text, pos):
        found.append((hit[1].lower(), hit[3] if hit[2] is None else hit[2]))
        pos = hit.end()
    if text[pos:].strip(b" \t;"):
        raise NotForm("a header has a bad parameter")
    return found


def fields(boundary: bytes, key: str, value: bytes) -> Iterator[bytes]:
    """A parameter, whose value is JSON, as parts: text as it is, a list as several `key[]`, null as none."""
    read = json.loads(value)
    several = isinstance(read, list)
    for one in read if several else [read]:
        if one is None:
            continue
        text = (one if isinstance(one, str) else json.dumps(one)).encode("utf-8", "replace")
        if b"\r\n--%b" % boundary in text:
            raise NotForm("the boundary is no good one here: choose another")
        name = (key + "[]" * several).replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
        head = b'Content-Disposition: form-data; name="%b"' % name.encode("utf-8", "replace")
        yield b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, head, text)
