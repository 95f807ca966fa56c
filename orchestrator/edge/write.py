"""The one place that writes rendered files: whole or not at all, never over a hand's work (exit 8, Drift).

A manifest remembers the hash of what was written. While files are being replaced it holds the old and the new hash, so
that a crash at any point leaves nothing that looks like drift.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.core.target import Artifact
from orchestrator.errors import Drift

Manifest = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Written:
    """Paths relative to the folder, sorted."""

    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    """Only of `compare`: by hand, or not written by us at all."""


def write(artifacts: Iterable[Artifact], folder: Path, manifest: Path, *, force: bool = False) -> Written:
    """Makes `folder` hold these artifacts, and removes those of ours that are gone.

    Raises Drift, before anything is touched, when one of ours was edited by hand or a file that is not ours is in the
    way; `force` overwrites. The manifest's own folder is made.
    """
    wanted = {_safe(artifact.path): artifact for artifact in artifacts}
    known = _read(manifest)
    stale = sorted(set(known) - set(wanted))
    if not force:
        _refuse_drift(wanted, known, folder)
    same = {path for path, artifact in wanted.items() if _is(folder / path, artifact)}
    changed = sorted(set(wanted) - same)
    new = {path: _hash(artifact.text.encode()) for path, artifact in wanted.items()}
    _save(manifest, {path: [*known.get(path, []), *([new[path]] if path in new else [])] for path in {*known, *wanted}})
    for path in changed:
        replace_file(folder / path, wanted[path].text.encode(), wanted[path].mode)
    removed = [path for path in stale if _remove(folder, path)]
    _save(manifest, {path: [digest] for path, digest in new.items()})
    return Written(tuple(changed), tuple(removed), tuple(sorted(same)))


def refuse_drift(artifacts: Iterable[Artifact], folder: Path, manifest: Path) -> None:
    """Raises Drift where `write` would."""
    _refuse_drift({_safe(artifact.path): artifact for artifact in artifacts}, _read(manifest), folder)


def listed(manifest: Path) -> tuple[str, ...]:
    """The files that are ours, present or not."""
    return tuple(sorted(_read(manifest)))


def expect(artifacts: Iterable[Artifact], manifest: Path) -> None:
    """Somebody else is to write these: they are ours all the same, and so is what was expected before."""
    known = _read(manifest)
    for artifact in artifacts:
        known.setdefault(artifact.path, []).append(_hash(artifact.text.encode()))
    _save(manifest, known)


def compare(artifacts: Iterable[Artifact], folder: Path, manifest: Path) -> Written:
    """What `write` would do. Touches nothing."""
    wanted = {_safe(artifact.path): artifact for artifact in artifacts}
    known = _read(manifest)
    edited = {*_edited(wanted, known, folder), *_strange(wanted, known, folder)}
    same = {path for path, artifact in wanted.items() if _is(folder / path, artifact)}
    removed = [path for path in sorted(set(known) - set(wanted) - edited) if (folder / path).exists()]
    changed = sorted(set(wanted) - same - edited)
    return Written(tuple(changed), tuple(removed), tuple(sorted(same)), tuple(sorted(edited)))


def differences(artifacts: Iterable[Artifact], folder: Path) -> dict[str, tuple[str, ...]]:
    """By path, of files that are there and are not the same: what `write` would change, as a unified diff's lines."""
    found = {}
    for artifact in artifacts:
        content = _content(folder / artifact.path)
        if content is not None and content != artifact.text.encode():
            before = content.decode(errors="replace").splitlines()
            lines = difflib.unified_diff(before, artifact.text.splitlines(), n=0, lineterm="")
            found[artifact.path] = tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))
    return found


def replace_file(file: Path, content: bytes, mode: int = 0o644) -> None:
    """Atomically: a reader sees the old file or the new one. Folders above are made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        os.replace(name, file)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def drifted(known: Mapping[str, Sequence[str]], folder: Path) -> tuple[str, ...]:
    """Files of the manifest whose content is none of ours; a missing one is no drift."""
    found = ((path, _content(folder / path)) for path in sorted(known))
    return tuple(path for path, content in found if content is not None and _hash(content) not in known[path])


def _refuse_drift(wanted: Mapping[str, Artifact], known: Manifest, folder: Path) -> None:
    edited, strange = _edited(wanted, known, folder), _strange(wanted, known, folder)
    if not edited | strange:
        return
    details = [f"{folder / path}: edited by hand" for path in sorted(edited)]
    details += [f"{folder / path}: not written by us" for path in sorted(strange)]
    count = len(details)
    text = f"{count} file{'s' if count != 1 else ''} would be overwritten"
    raise Drift(text, details=details, mend="keep your change in stack.yaml, then overwrite with --force")


def _edited(wanted: Mapping[str, Artifact], known: Manifest, folder: Path) -> set[str]:
    """Those that would stay as they are do no harm."""
    same = {path for path, artifact in wanted.items() if _content(folder / path) == artifact.text.encode()}
    return set(drifted(known, folder)) - same


def _strange(wanted: Mapping[str, Artifact], known: Manifest, folder: Path) -> set[str]:
    return {p for p, a in wanted.items() if p not in known and _content(folder / p) not in (None, a.text.encode())}


def _safe(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise ValueError(f"an artifact may not be written to {path}")
    return str(pure)


def _is(file: Path, artifact: Artifact) -> bool:
    return _content(file) == artifact.text.encode() and file.stat().st_mode & 0o777 == artifact.mode


def _content(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _remove(folder: Path, path: str) -> bool:
    """The file, and the folders that it leaves empty below `folder`."""
    file = folder / path
    try:
        file.unlink()
    except FileNotFoundError:
        return False
    for parent in file.parents:
        if parent == folder or any(parent.iterdir()):
            break
        parent.rmdir()
    return True


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(manifest: Path) -> Manifest:
    try:
        found = json.loads(manifest.read_text())
        return {str(path): [str(digest) for digest in digests] for path, digests in found["files"].items()}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # without it every file that is not the same counts as not ours


def _save(manifest: Path, files: Manifest) -> None:
    replace_file(manifest, (json.dumps({"files": files}, indent=2, sort_keys=True) + "\n").encode())
