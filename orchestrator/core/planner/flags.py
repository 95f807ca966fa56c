"""Engine flags against the engine's own list (DESIGN.md, principle 1)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence


def named(args: Sequence[str]) -> Iterator[tuple[int, str]]:
    """(place, flag) of what looks like a flag: `--port=1` is `--port`, `-1` and `-0.5` are values."""
    for i, text in enumerate(args):
        if text.startswith("-") and text != "-" and not re.fullmatch(r"-[\d.]+", text):
            yield i, text.partition("=")[0]


def complaints(
    args: Sequence[str], known: Sequence[str], owned: Mapping[str, str], engine: str
) -> Iterator[tuple[int, str, str]]:
    """(place, what is wrong, how to mend it). known: the engine's flags, empty = not known, then none is refused."""
    for i, flag in named(args):
        if flag in owned:
            yield i, f"{flag} is set by `{owned[flag]}`", f"take it out, and set `{owned[flag]}`"
        elif known and flag not in known:
            near = difflib.get_close_matches(flag, known, n=1, cutoff=0.6)
            mend = f"did you mean {near[0]}?" if near else "`unchecked_args` passes it on as it is"
            yield i, f"{engine} has no flag {flag}", mend
