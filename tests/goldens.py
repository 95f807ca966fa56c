"""Generated files that are committed: compared in every run, written anew by `make golden`.

A test of one has the marker `golden`.
"""

from __future__ import annotations

import os
from pathlib import Path

WRITE = os.environ.get("STACK_GOLDEN") == "write"


def check(path: Path, text: str) -> None:
    """The committed file holds exactly this text."""
    if WRITE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.exists(), f"{path} is not there: run `make golden` and look at what it wrote"
    assert path.read_text() == text, f"{path} is out of date: run `make golden` and look at the difference"


def check_part(path: Path, name: str, text: str) -> None:
    """The part of a page between `<!-- NAME: make golden -->` and `<!-- end -->` holds exactly this text."""
    start = f"<!-- {name}: make golden -->\n"
    head, _, rest = path.read_text().partition(start)
    _, end, tail = rest.partition("<!-- end -->")
    assert end, f"{path} has no part {name!r}"
    check(path, head + start + text + end + tail)
