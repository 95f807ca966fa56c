"""A file that comes from the hub in pieces: what is there, and whether it is what the hub states."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, BinaryIO

from orchestrator.core.modelfiles.hub_files import HubFile

Advance = Callable[[int], None]
"""Called with bytes that have come (or were there already); negative when they must come again."""


class Sink:
    """stream: opened for appending and reading."""

    def __init__(self, stream: BinaryIO, file: HubFile, advance: Advance) -> None:
        self.stream = stream
        self.file = file
        self.advance = advance
        self.size = 0
        self.digest = self._fresh()

    def resume(self) -> int:
        """Bytes that are here already, now hashed; if they are more than the file has, none."""
        self.stream.seek(0)
        while block := self.stream.read(2**20):
            self._count(block)
        if self.size > self.file.size:
            self.restart()
        return self.size

    def write(self, block: bytes) -> None:
        self.stream.write(block)
        self._count(block)

    def restart(self) -> None:
        """Nothing of what came counts."""
        self.stream.seek(0)
        self.stream.truncate()
        self.advance(-self.size)
        self.size = 0
        self.digest = self._fresh()

    def right(self) -> bool:
        """Whether the content is what the hub states. A mirror's etag that is no hash cannot be checked."""
        hashed = len(self.file.etag) in (40, 64)
        return self.size == self.file.size and (not hashed or self.digest.hexdigest() == self.file.etag)

    def _count(self, block: bytes) -> None:
        self.size += len(block)
        self.digest.update(block)
        self.advance(len(block))

    def _fresh(self) -> Any:
        # small files are known by git's blob id, which is a SHA-1 over a header and the content
        if len(self.file.etag) == 40:
            return hashlib.sha1(b"blob %d\0" % self.file.size, usedforsecurity=False)
        return hashlib.sha256()
