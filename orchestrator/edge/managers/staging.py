"""Files that are root's to install: we write them beside, and say what is to be typed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from orchestrator.core.target import Artifact
from orchestrator.edge.write import replace_file
from orchestrator.errors import PlanError

TYPED = "type these, then the same `stack` command again"


def sudo(*words: str | Path) -> str:
    """A line for a shell."""
    return shlex.join(("sudo", *map(str, words)))


def refuse(lines: tuple[str, ...], to: str) -> None:
    """Raises PlanError (exit 4) if there are any. to: `install`, `stop`, `remove`."""
    if lines:
        raise PlanError(f"units of the whole machine are root's to {to}", details=lines, mend=TYPED)


def stage(artifacts: Iterable[Artifact], folder: Path) -> tuple[Path, ...]:
    """Where each of them lies now."""
    found = tuple((folder / artifact.path, artifact) for artifact in artifacts)
    for file, artifact in found:
        replace_file(file, artifact.text.encode(), artifact.mode)
    return tuple(file for file, _ in found)
