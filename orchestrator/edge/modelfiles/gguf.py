"""GGUF files: one, or the parts of a split one (`name-00001-of-00003.gguf`)."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from orchestrator.core.modelfiles.gguf import BadGguf, Gguf, parse_gguf
from orchestrator.edge.modelfiles.bad_weights import BadWeights
from orchestrator.edge.modelfiles.folder import parts
from orchestrator.edge.modelfiles.sample import sample


@dataclass(frozen=True, slots=True)
class GgufFile:
    """metadata: of the first part; size: bytes of the tensors of all parts; digest: of headers, lengths and samples."""

    metadata: Mapping[str, Any]
    size: int
    digest: str


def read_gguf(file: Path) -> GgufFile:
    """Reads headers and a sample. Raises BadWeights, and OSError where a part is missing or cannot be read."""
    total, digest, metadata = 0, hashlib.sha256(), None
    for part in parts(file):
        with part.open("rb") as stream:
            try:
                found = _header(stream, digest)
            except BadGguf as error:
                raise BadWeights(part, str(error)) from error
        total += found.size
        metadata = metadata or found.metadata
    return GgufFile(metadata or {}, total, digest.hexdigest())


def _header(stream: BinaryIO, digest: hashlib._Hash) -> Gguf:
    try:
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError:
        raise BadGguf("is empty") from None
    with data, memoryview(data) as view:
        found = parse_gguf(view, len(data))
        digest.update(view[: found.data])
    digest.update(sample(stream, found.data))
    return found
