"""Sizes and durations as stack.yaml writes them, and back into words."""

from __future__ import annotations

import re

_SIZE = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_DURATION = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

SIZE_MAX = 2**60
"""1 EiB: far beyond any machine."""
DURATION_MAX = 366 * 86400


def size(text: object) -> int:
    """Bytes of `16GiB`, `16GB`, `1.5GiB` or a whole number. ValueError says what is accepted."""
    if isinstance(text, int) and not isinstance(text, bool) and 0 <= text <= SIZE_MAX:
        return text
    if isinstance(text, str) and (hit := re.fullmatch(r"([0-9]{1,20})(?:\.([0-9]{1,6}))?\s*([A-Za-z]*)", text.strip())):
        unit = _SIZE.get(hit[3].upper())
        if unit:
            digits = hit[2] or ""
            count = int(hit[1] + digits) * unit // int(10 ** len(digits))
            if count <= SIZE_MAX:
                return count
    raise ValueError("must be a size: 16GiB, 512MB or bytes")


def duration(text: object) -> int:
    """Seconds of `90s`, `10m`, `2h` or a whole number. ValueError says what is accepted."""
    if isinstance(text, int) and not isinstance(text, bool) and 0 <= text <= DURATION_MAX:
        return text
    if isinstance(text, str) and (hit := re.fullmatch(r"([0-9]{1,9})\s*([smhd]?)", text.strip())):
        seconds = int(hit[1]) * _DURATION[hit[2]]
        if seconds <= DURATION_MAX:
            return seconds
    raise ValueError("must be a duration: 90s, 10m, 2h or whole seconds")


def show_size(count: int) -> str:
    """`1.5 GiB`, `12 MiB`, `840 B`: for people, never parsed again."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
