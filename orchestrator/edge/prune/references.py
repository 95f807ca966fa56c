"""What the stack.yaml files that this machine knows refer to, and what running stacks use, whatever their files say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.core.pruning import HubUse, uses
from orchestrator.edge import stacks
from orchestrator.edge.discover import backends
from orchestrator.edge.stackfile.load import load
from orchestrator.errors import SpecError


@dataclass
class References:
    """by: stack.yaml -> what it refers to is in hub, engines, paths, images with its name; strings: of the plans of
    stacks that run, with the stack's name; broken: what cannot be read, so that nobody knows what it wants."""

    hub: list[tuple[HubUse, str]] = field(default_factory=list)
    engines: dict[tuple[str, str], str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    strings: list[tuple[str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def running(self, part: str) -> str | None:
        """The stack that runs with this path, or image, in its plan."""
        return next((stack for stack, text in self.strings if part in text), None)


def references(file: Path | None) -> References:
    """file: a stack.yaml at hand, which counts though it was never up."""
    found = References()
    known = stacks.known()
    files = [one.file for one in known if one.file is not None and one.file.exists()]
    if file is not None:
        files.append(file.parent.resolve() / file.name)
    for one in dict.fromkeys(files):
        _read(one, found)
    for stack in known:
        if stack.runs:
            _read_plan(stack.name, stack.paths.plan, found)
    return found


def _read(file: Path, found: References) -> None:
    try:
        used = uses(load(file).stack, backends())
    except SpecError:
        found.broken.append(str(file))
        return
    name = str(file)
    found.hub += [(use, name) for use in used.hub]
    found.engines |= dict.fromkeys(used.engines, name)
    found.paths |= dict.fromkeys(used.paths, name)
    found.images |= dict.fromkeys(used.images, name)


def _read_plan(name: str, plan: Path, found: References) -> None:
    """Every text in it: paths in argv, mounts, weights, images."""
    try:
        texts = list(_texts(json.loads(plan.read_text())))
    except (OSError, ValueError) as error:
        found.broken.append(f"{name}, which runs ({error}),")
    else:
        found.strings += [(name, text) for text in texts]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
