"""Weights from the hub into its cache: size first, disk checked, progress, resume, hashes checked; offline after.

The revision's name (refs/main) is written last, so that a pull that was cut never passes for a model.
"""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from orchestrator.core.spec import Source, Stack
from orchestrator.core.units import show_size
from orchestrator.edge import paths
from orchestrator.edge.hub import download, ledger
from orchestrator.edge.hub.cache import is_path
from orchestrator.edge.hub.remote import Listing, listing
from orchestrator.edge.modelfiles.inspect import look
from orchestrator.errors import PlanError

AT_ONCE = 4
SPARE = 256 * 2**20
"""Bytes of disk that a pull leaves free."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A source of a model, as chosen for this host."""

    model: str
    source: Source


@dataclass(frozen=True, slots=True)
class Pulled:
    """size: bytes of the model's files; fetched: those that were not here before."""

    model: str
    repo: str
    commit: str
    folder: str
    size: int
    fetched: int


def pull_sources(stack: Stack, models: Collection[str] = (), *, quiet: bool = False) -> tuple[Pulled, ...]:
    """`pull` for the sources that this host would choose. models: ids or aliases, () = all."""
    from orchestrator.edge.host.detect import detect
    from orchestrator.edge.hub.wanted import wanted

    return pull(wanted(stack, detect(stack.backends), models)[0], quiet=quiet)


def pull(wanted: Sequence[Wanted], *, quiet: bool = False, update: bool = False) -> tuple[Pulled, ...]:
    """Have these weights. A source that is here already is left alone, or looked after with `update`.

    Words and progress go to stderr. Raises PlanError: no such repository, no access, no network, disk too small.
    """
    wanted = [part for item in wanted for part in parts(item)]
    say: Callable[[str], None] = (lambda text: None) if quiet else (lambda text: print(text, file=sys.stderr))
    missing = [item for item in wanted if item.source.repo and (update or look(item.source) is None)]
    for item in wanted:
        if item not in missing:
            say(f"{item.model}: {item.source.repo or item.source.path} is here")
    plans = [(item, _listing(item)) for item in missing]
    _check_disk([found for _, found in plans])
    return tuple(_pull(item, found, say, quiet) for item, found in plans)


def parts(item: Wanted) -> list[Wanted]:
    """A folder's draft model is a repository of its own."""
    source = item.source
    if source.file or not source.draft or is_path(source.draft):
        return [item]
    return [item, Wanted(f"{item.model} (draft)", Source(repo=source.draft))]


def _listing(item: Wanted) -> Listing:
    try:
        return listing(item.source)
    except PlanError as error:
        raise PlanError(f"{item.model}: {error.text}", mend=error.mend) from error


def absent(found: Listing) -> int:
    """Bytes that have to come."""
    total = 0
    for file in {file.etag: file for file in found.files}.values():
        if not download.blob(found.repo, file).exists():
            part = download.partial(found.repo, file)
            total += file.size - min(part.stat().st_size if part.exists() else 0, file.size)
    return total


def _check_disk(listings: Sequence[Listing]) -> None:
    need = sum(map(absent, listings))
    place = next(folder for folder in (paths.hub_cache(), *paths.hub_cache().parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if need and need + SPARE > free:
        text = f"{show_size(need)} to download, {show_size(free)} free at {place}"
        raise PlanError(f"the disk is too small: {text}", mend="make room, or set HF_HOME to another disk")


def _pull(item: Wanted, found: Listing, say: Callable[[str], None], quiet: bool) -> Pulled:
    need = absent(found)
    count = f"{len(found.files)} file{'s' if len(found.files) != 1 else ''}"
    rest = "" if need == found.size else f", {show_size(need)} of it to download"
    say(f"{item.model}: {found.repo} at {found.commit[:12]}: {count}, {show_size(found.size)}{rest}")
    ledger.remember(found)
    if need:
        _download(found, quiet)
    else:
        for file in found.files:
            download.download(found, file, lambda _: None, threading.Event())
    if found.revision != found.commit:
        ref = download.repo_folder(found.repo) / "refs" / found.revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(found.commit)
    folder = download.repo_folder(found.repo) / "snapshots" / found.commit
    return Pulled(item.model, found.repo, found.commit, str(folder), found.size, need)


def _download(found: Listing, quiet: bool) -> None:
    """Small files one by one, then the large ones a few at once: weights never lie there without their config."""
    from orchestrator.edge.hub.meter import meter

    stop = threading.Event()
    small = [file for file in found.files if len(file.etag) != 64]
    large = [file for file in found.files if len(file.etag) == 64]
    with meter(found.repo, found.size, quiet=quiet) as advance, ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            for file in found.files:
                if download.blob(found.repo, file).exists():
                    advance(file.size)
            for file in small:
                download.download(found, file, advance, stop)
            for future in [pool.submit(download.download, found, file, advance, stop) for file in large]:
                future.result()
        except BaseException:
            stop.set()
            raise
