"""A digest of a large file that does not read it all."""

from __future__ import annotations

import os
from typing import BinaryIO

BLOCKS = 8
BLOCK = 4096


def sample(stream: BinaryIO, begin: int) -> bytes:
    """The file's length and a few blocks spread over what follows `begin`: weights that were trained anew have the
    same header and length, and differ everywhere else."""
    length = os.fstat(stream.fileno()).st_size
    found = [str(length).encode()]
    for i in range(BLOCKS):
        stream.seek(begin + max(length - begin - BLOCK, 0) * i // (BLOCKS - 1))
        found.append(stream.read(BLOCK))
    return b"".join(found)
