"""Engine flags against the engine's own list (DESIGN.md, principle 1)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from orchestrator.core.planner.select import Chosen
from orchestrator.core.planner.sizing import Item

Lists = Mapping[tuple[str, str], tuple[str, ...]]
"""(backend, version) -> its flags: the lists that ship with the package, for engines that cannot be asked."""
NO_LISTS: Lists = MappingProxyType({})


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


def told(items: Mapping[str, Item], lists: Lists) -> dict[str, Item]:
    """The items; engines in container images, which nobody asks, with the listed flags of the version in their tag."""
    return {model: replace(item, chosen=_told(item.chosen, lists)) for model, item in items.items()}


def _told(chosen: Chosen, lists: Lists) -> Chosen:
    if not chosen.image or chosen.engine is None:
        return chosen
    listed = lists.get((chosen.backend.name, chosen.engine.version), ())
    return replace(chosen, engine=replace(chosen.engine, flags=listed))


def unknown(chosen: Chosen) -> str:
    """Why the flags of its engine are not known."""
    if not chosen.image or chosen.engine is None:
        return "the engine was not asked"
    if not chosen.engine.version:
        return "the image's tag says no version"
    return f"no list of {chosen.backend.name} {chosen.engine.version} ships with this package"
