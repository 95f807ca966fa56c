"""Small texts kept in the cache folder by a key. A cache that cannot be read or written costs time, not function."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from orchestrator.edge import paths


def get(kind: str, key: str) -> str | None:
    try:
        text = _place(kind, key).read_text()
    except (OSError, UnicodeDecodeError):
        return None
    head, _, value = text.partition("\n\n")
    return value if head == _head(key) else None


def put(kind: str, key: str, value: str) -> None:
    place = _place(kind, key)
    new = place.with_suffix(f".{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(f"{_head(key)}\n\n{value}")
        new.replace(place)
    except OSError:
        return


def file_key(file: str) -> str:
    """Path, size and time of a file, links followed. Raises OSError when it is gone."""
    real = Path(file).resolve()
    stat = real.stat()
    return f"{real}:{stat.st_size}:{stat.st_mtime_ns}"


def _head(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _place(kind: str, key: str) -> Path:
    return paths.cache_home() / kind / _head(key)[:32]
