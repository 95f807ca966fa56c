"""The header of a GGUF file (version 2 and 3), read from its bytes: metadata and what the tensors take.

The format is llama.cpp's docs and ggml/src/gguf.cpp; block sizes are GGML_QUANT_SIZES of gguf-py/gguf/constants.py.
Work and memory are bounded by the bytes that are there, whatever the header claims.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_TENSORS = 1_000_000
MAX_KEYS = 100_000
MAX_TEXT = 64 * 2**20
KEPT_ITEMS = 4096
"""Longer arrays (a vocabulary) are passed over: their metadata value is a Skipped."""

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

_BLOCKS = """1/4 1/2 32/18 32/20 - - 32/22 32/24 32/34 32/36 256/84 256/110 256/144 256/176 256/210 256/292
256/66 256/74 256/98 256/50 32/18 256/110 256/82 256/136 1/1 1/2 1/4 1/8 1/8 256/56 1/2 - - - 256/54 256/66 - - - 32/17
64/36 128/18 64/18"""
BLOCKS: Mapping[int, tuple[int, int]] = {
    kind: (int(numbers), int(size))
    for kind, (numbers, slash, size) in enumerate(item.partition("/") for item in _BLOCKS.split())
    if slash
}
"""Tensor type -> (numbers, bytes) of a block."""


class BadGguf(ValueError):
    """What is wrong with the file, in words."""


@dataclass(frozen=True, slots=True)
class Skipped:
    items: int


@dataclass(frozen=True, slots=True)
class Gguf:
    """size: bytes of all tensors; data: where they begin; end: bytes that the file must have."""

    metadata: Mapping[str, Any]
    tensors: int
    size: int
    data: int
    end: int


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self.data = data
        self.at = 0

    def take(self, code: str, count: int = 1) -> tuple[Any, ...]:
        packed = f"<{count}{code}"
        size = struct.calcsize(packed)
        if size > len(self.data) - self.at:
            raise BadGguf(f"truncated in its header: {len(self.data)} bytes")
        values = struct.unpack_from(packed, self.data, self.at)
        self.at += size
        return values

    def number(self, code: str) -> int:
        return int(self.take(code)[0])

    def text(self) -> str:
        size = self.number("Q")
        if size > min(len(self.data) - self.at, MAX_TEXT):
            raise BadGguf(f"truncated in its header: a text of {size} bytes at byte {self.at}")
        self.at += size
        return bytes(self.data[self.at - size : self.at]).decode(errors="replace")

    def value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self.take(_SCALARS[kind])[0]
        if kind == _STRING:
            return self.text()
        if kind == _ARRAY:
            return self.array(self.number("I"), self.number("Q"))
        raise BadGguf(f"metadata of unknown type {kind} at byte {self.at}")

    def array(self, kind: int, items: int) -> Any:
        if kind == _STRING:
            return self.texts(items)
        if kind not in _SCALARS:
            raise BadGguf(f"an array of unknown type {kind} at byte {self.at}")
        size = struct.calcsize(f"<{_SCALARS[kind]}")
        if items > (len(self.data) - self.at) // size:
            raise BadGguf(f"truncated in its header: an array of {items} numbers at byte {self.at}")
        if items <= KEPT_ITEMS:
            return list(self.take(_SCALARS[kind], items))
        self.at += items * size
        return Skipped(items)

    def texts(self, items: int) -> Any:
        if items > (len(self.data) - self.at) // 8:
            raise BadGguf(f"truncated in its header: an array of {items} texts at byte {self.at}")
        if items <= KEPT_ITEMS:
            return [self.text() for _ in range(items)]
        # the one hot loop: vocabularies and merges are half a million texts
        at, length, unpack, data = self.at, len(self.data), struct.Struct("<Q").unpack_from, self.data
        try:
            for _ in range(items):
                at += 8 + unpack(data, at)[0]
        except struct.error:
            at = length + 1
        if at > length:
            raise BadGguf(f"truncated in its header: an array of {items} texts at byte {self.at}")
        self.at = at
        return Skipped(items)


def parse_gguf(data: memoryview, file_size: int) -> Gguf:
    """data: the file, or as much of its beginning as holds the header; file_size: bytes of the whole file.

    Raises BadGguf: no GGUF, a version that is not 2 or 3, a broken or truncated header, tensors beyond the file's end.
    """
    if bytes(data[:4]) != b"GGUF":
        raise BadGguf("is no GGUF file" + (": a git-lfs pointer" if bytes(data[:7]) == b"version" else ""))
    reader = _Reader(data)
    reader.at = 4
    version, tensors, keys = reader.number("I"), reader.number("Q"), reader.number("Q")
    if version not in (2, 3):
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big") in (2, 3)
        raise BadGguf("is big-endian" if swapped else f"is GGUF version {version}; 2 and 3 are known")
    if tensors > MAX_TENSORS or keys > MAX_KEYS:
        raise BadGguf(f"claims {tensors} tensors and {keys} metadata keys: it is damaged")
    metadata = {}
    for _ in range(keys):
        name = reader.text()
        metadata[name] = reader.value(reader.number("I"))
    found = sorted(_tensor(reader) for _ in range(tensors))
    align = metadata.get("general.alignment", 32)
    if not isinstance(align, int) or align <= 0 or align & (align - 1):
        raise BadGguf(f"its alignment is {align!r}, not a power of two")
    start = -(-reader.at // align) * align
    return _sized(metadata, found, start, file_size)


def _tensor(reader: _Reader) -> tuple[int, int, str]:
    """(offset from the data's start, bytes or -1 where the type is not known, name)."""
    name, dims = reader.text(), reader.number("I")
    if dims > 8:
        raise BadGguf(f"tensor {name!r} has {dims} dimensions: it is damaged")
    numbers = 1
    for dim in reader.take("Q", dims):
        numbers *= dim
    kind, offset = reader.number("I"), reader.number("Q")
    block, size = BLOCKS.get(kind, (1, 0))
    return offset, -(-numbers // block) * size if size else -1, name


def _sized(metadata: Mapping[str, Any], found: list[tuple[int, int, str]], start: int, file_size: int) -> Gguf:
    total, end = 0, start if found else 0
    for i, (offset, size, name) in enumerate(found):
        if size < 0:  # a type newer than this table: up to the next tensor
            size = (found[i + 1][0] if i + 1 < len(found) else max(file_size - start, offset)) - offset
        total, end = total + size, max(end, start + offset + size)
        if end > file_size:
            raise BadGguf(f"truncated: tensor {name!r} ends at byte {end}, the file at {file_size}")
    return Gguf(metadata, len(found), total, start, end)
