"""Revisions in Hugging Face's hub cache: blobs/ETAG, snapshots/COMMIT/NAME -> blob, refs/BRANCH with a commit."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.pruning import Item, Kept, unreferenced
from orchestrator.edge import paths
from orchestrator.edge.hub import ledger
from orchestrator.edge.prune.busy import command_lines
from orchestrator.edge.prune.references import References

PARTIAL = ".stack.incomplete"
"""How edge/hub/download.py calls what it has of a file so far."""


def find(refs: References, *, everything: bool) -> Iterator[Item | Kept]:
    """everything: also files that other tools brought."""
    root = paths.hub_cache()
    if root.is_symlink():
        yield Kept("weights", str(root), "it is a link; name its target in HF_HUB_CACHE")
        return
    ours, busy = ledger.read(), command_lines()
    for folder in sorted(root.glob("models--*")):
        if folder.is_symlink() or not folder.is_dir():
            yield Kept("weights", str(folder), "it is a link")
            continue
        repo = folder.name.removeprefix("models--").replace("--", "/")
        used = [use for use, _ in refs.hub if use.repo == repo]
        links = _links(folder)
        for snapshot in sorted((folder / "snapshots").glob("*")):
            if snapshot.is_symlink() or not snapshot.is_dir():
                continue
            label = f"{repo} at {snapshot.name[:12]}"
            names = set(_names(snapshot))
            mine = names if everything else names & ours.get((repo, snapshot.name), set())
            wanted = [use.files for use in used if _commit(folder, use.revision) == snapshot.name]
            gone = unreferenced(mine, wanted)
            runs = refs.running(f"{folder.name}/snapshots/{snapshot.name}") or refs.running(f"{folder.name}/blobs/")
            if runs:
                yield Kept("weights", label, f"{runs} runs with it")
            elif any(f"{folder.name}/snapshots/{snapshot.name}" in text for text in busy):
                yield Kept("weights", label, "a process runs with it")
            elif gone:
                why = "no stack.yaml refers to these files" if wanted else "no stack.yaml refers to it"
                yield Item("weights", label, str(snapshot), _freed(snapshot, gone, links), why, gone)
            elif not mine:
                yield Kept("weights", label, "another tool brought it (--all takes it, too)")
            else:
                yield Kept("weights", label, "a stack.yaml refers to it")
        for part in sorted((folder / "blobs").glob(f"*{PARTIAL}")):
            label = f"{repo}: {part.name[:12]}..."
            if used:
                yield Kept("part", label, "a pull may go on from it")
            elif not part.is_symlink() and not _pulled_now(part):
                yield Item("part", label, str(part), part.stat().st_blocks * 512, "an unfinished download")


def remove(item: Item) -> None:
    """Raises OSError. Blobs go with the last link to them."""
    if item.kind == "part":
        os.unlink(item.path)
        _tidy(Path(item.path).parent.parent, "")
        return
    snapshot = Path(item.path)
    folder = snapshot.parent.parent
    for name in item.files:
        link = snapshot / name
        blob = _blob(link, folder)
        link.unlink()
        _rmdirs(link.parent, snapshot)
        if blob is not None and blob not in _links(folder):
            blob.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        snapshot.rmdir()
    _tidy(folder, snapshot.name)


def _names(snapshot: Path) -> Iterator[str]:
    for place, _, names in os.walk(snapshot):
        for name in names:
            yield os.path.relpath(os.path.join(place, name), snapshot)


def _links(folder: Path) -> dict[Path, set[Path]]:
    """Blob -> the files of all snapshots that are links to it."""
    found: dict[Path, set[Path]] = {}
    for snapshot in (folder / "snapshots").glob("*"):
        for name in _names(snapshot):
            link = snapshot / name
            if (blob := _blob(link, folder)) is not None:
                found.setdefault(blob, set()).add(link)
    return found


def _blob(link: Path, folder: Path) -> Path | None:
    """What a snapshot's link points to, if that is a blob of the same repository."""
    if not link.is_symlink():
        return None
    target = Path(os.path.normpath(link.parent / os.readlink(link)))
    return target if target.parent == folder / "blobs" else None


def _freed(snapshot: Path, names: tuple[str, ...], links: dict[Path, set[Path]]) -> int:
    """Takes these links away from `links`, so that of two revisions that share a blob the last one frees it."""
    total = 0
    for name in names:
        file = snapshot / name
        blob = _blob(file, snapshot.parent.parent)
        if blob is None:
            total += 0 if file.is_symlink() else file.lstat().st_blocks * 512
        else:
            links[blob].discard(file)
            if not links[blob] and blob.exists():
                total += blob.lstat().st_blocks * 512
    return total


def _commit(folder: Path, revision: str) -> str:
    with contextlib.suppress(OSError, ValueError):
        return (folder / "refs" / revision).read_text().strip()
    return revision


def _pulled_now(part: Path) -> bool:
    with part.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _rmdirs(folder: Path, top: Path) -> None:
    """Empty folders below the snapshot."""
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def _tidy(folder: Path, commit: str) -> None:
    """Names of the revision that is gone, and the repository's own folders once nothing is in them."""
    if commit and not (folder / "snapshots" / commit).exists():
        for ref in sorted((folder / "refs").rglob("*")):
            if ref.is_file() and not ref.is_symlink() and ref.read_text().strip() == commit:
                ref.unlink()
                _rmdirs(ref.parent, folder / "refs")
        absent = folder / ".no_exist" / commit  # what huggingface_hub knows not to be there
        if absent.is_dir() and not absent.is_symlink():
            shutil.rmtree(absent)
    for place in (*(folder / name for name in ("snapshots", "blobs", "refs", ".no_exist")), folder):
        with contextlib.suppress(OSError):
            place.rmdir()
