"""Headers of safetensors files: what the tensors take, and whether the file holds them.

The format: 8 bytes little-endian N, then N bytes of JSON: name -> {dtype, shape, data_offsets: [begin, end]}, then
the tensors (https://github.com/huggingface/safetensors#format, whose limit for N is the same 100 MB).
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from orchestrator.edge.modelfiles.bad_weights import BadWeights
from orchestrator.edge.modelfiles.sample import sample

MAX_HEADER = 100_000_000


@dataclass(frozen=True, slots=True)
class Safetensors:
    """size: bytes of the tensors; digest: of the header, the file's length and a sample."""

    size: int
    digest: str


def read_safetensors(file: Path) -> Safetensors:
    """Reads the header and a sample. Raises BadWeights, and OSError where the file cannot be read."""
    with file.open("rb") as stream:
        length = os.fstat(stream.fileno()).st_size
        head = stream.read(8)
        count = int.from_bytes(head, "little")
        if head == b"version ":
            raise BadWeights(file, "is a git-lfs pointer, not the weights (`git lfs pull` fetches them)")
        if len(head) == 8 and count > MAX_HEADER:
            raise BadWeights(file, f"claims a header of {count} bytes: it is damaged or no safetensors file")
        if len(head) < 8 or count > length - 8:
            raise BadWeights(file, f"truncated in its header: {length} bytes")
        header = stream.read(count)
        try:
            end = _end(header)
        except (ValueError, RecursionError, AttributeError, KeyError, TypeError) as error:
            raise BadWeights(file, f"its header is not what safetensors has: {error}") from error
        held = length - 8 - count
        if end > held:
            raise BadWeights(file, f"truncated: its header lists {end} bytes of tensors, the file holds {held}")
        return Safetensors(end, hashlib.sha256(header + sample(stream, 8 + count)).hexdigest())


def _end(header: bytes) -> int:
    """Where the last tensor ends, which is what they take: the format allows no holes."""
    tensors = json.loads(header)
    return max((_offsets(entry) for name, entry in tensors.items() if name != "__metadata__"), default=0)


def _offsets(entry: dict[str, list[int]]) -> int:
    begin, end = entry["data_offsets"]
    if not (isinstance(begin, int) and isinstance(end, int) and 0 <= begin <= end):
        raise ValueError(f"offsets {begin}, {end}")
    return end
