"""How many bytes a removal frees."""

from __future__ import annotations

import os
from pathlib import Path


def freed(folder: Path) -> int:
    """Bytes on disk of what is below, links not followed. A file with further names elsewhere (uv's cache) frees
    nothing."""
    seen: dict[tuple[int, int], list[int]] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            facts = os.lstat(os.path.join(place, name))
            row = seen.setdefault((facts.st_dev, facts.st_ino), [facts.st_nlink, facts.st_blocks * 512, 0])
            row[2] += 1
    return sum(size for links, size, here in seen.values() if here >= links)
