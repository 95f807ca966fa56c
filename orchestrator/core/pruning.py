"""What a stack.yaml refers to, and what may therefore go: pure; edge/prune/ looks at the folders."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from orchestrator.core.backend import Backends
from orchestrator.core.modelfiles.hub_files import split_parts
from orchestrator.core.spec import Source, Stack

Kind = Literal["weights", "part", "engine", "image", "state", "socket", "cache"]


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can go. path: where it is (an image's name); size: bytes that this frees; files: of a snapshot,
    those that go, relative to it."""

    kind: Kind
    name: str
    path: str
    size: int
    why: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    kind: Kind
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class HubUse:
    """A revision (branch, tag or commit) that a source names. files: None = all of the repository's."""

    repo: str
    revision: str
    files: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Uses:
    """What one stack.yaml refers to, on whatever machine. engines: (backend, pinned version or ""); paths: executables
    that it names itself."""

    hub: tuple[HubUse, ...]
    engines: frozenset[tuple[str, str]]
    paths: frozenset[str]
    images: frozenset[str]


def uses(stack: Stack, backends: Backends) -> Uses:
    """Every source counts, not only those that would be chosen on this machine."""
    hub: list[HubUse] = []
    engines: set[tuple[str, str]] = set()
    paths: set[str] = set()
    images: set[str] = set()
    general = {str(name): settings.engine for name, settings in stack.backends.items()}
    for model in stack.models.values():
        for _, backend, source in model.ordered_sources():
            hub += _hub(source)
            choices = [choice for choice in (source.engine, general.get(backend)) if choice is not None]
            version = next((one.version for one in choices if one.version), "")
            engines.add((backend, version))
            paths |= {one.bin for one in choices if one.bin}
            image = next((one.image for one in choices if one.image), "")
            images.add(image or getattr(backends.get(backend), "image", ""))
    return Uses(tuple(hub), frozenset(engines), frozenset(paths), frozenset(images - {""}))


def _hub(source: Source) -> Iterator[HubUse]:
    beside = [name for name in (source.mmproj, source.draft) if name and not name.startswith(("/", "./", "../", "~"))]
    if source.repo and source.file:
        names = (part for name in (source.file, *beside) for part in split_parts(name))
        yield HubUse(source.repo, source.revision or "main", frozenset(names))
    elif source.repo:
        yield HubUse(source.repo, source.revision or "main", None)
        if source.draft in beside and source.draft is not None:  # a folder's draft model is a repository of its own
            yield HubUse(source.draft, "main", None)


def unreferenced(ours: Collection[str], wanted: list[frozenset[str] | None]) -> tuple[str, ...]:
    """Those of our files in a revision that no use of it wants, sorted."""
    if any(files is None for files in wanted):
        return ()
    named = frozenset(name for files in wanted if files is not None for name in files)
    return tuple(sorted(set(ours) - named))
