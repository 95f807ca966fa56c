"""Engine environments that `stack engine install` made and that no stack.yaml uses."""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.engines import PROGRAMS
from orchestrator.core.pruning import Item, Kept
from orchestrator.edge import paths
from orchestrator.edge.engines import MARKER, environments
from orchestrator.edge.prune.busy import command_lines
from orchestrator.edge.prune.references import References
from orchestrator.edge.prune.sizes import freed


def find(refs: References) -> Iterator[Item | Kept]:
    root = paths.engines_home()
    if root.is_symlink():
        yield Kept("engine", str(root), "it is a link")
        return
    wanted = _wanted(refs)
    busy = command_lines()
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        engine = _engine(folder)
        if engine is None or folder.is_symlink() or not folder.is_dir():
            continue
        inside = f"{folder}/"
        user = wanted.get(folder) or next((who for path, who in refs.paths.items() if path.startswith(inside)), None)
        if stack := refs.running(inside):
            yield Kept("engine", folder.name, f"{stack} runs with it")
        elif any(inside in text for text in busy):
            yield Kept("engine", folder.name, "a process runs from it")
        elif user:
            yield Kept("engine", folder.name, f"{user} uses it")
        elif _installing(root, engine):
            yield Kept("engine", folder.name, "it is being installed")
        else:
            whole = (folder / MARKER).exists()
            why = "no stack.yaml uses it" if whole else "an install that did not finish"
            yield Item("engine", folder.name, str(folder), freed(folder), why)


def remove(item: Item) -> None:
    """Raises OSError. The marker goes first: what is left of a removal that was cut never counts as an engine."""
    folder = Path(item.path)
    (folder / MARKER).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _engine(folder: Path) -> str | None:
    """`mlx-lm-0.32.2` -> mlx-lm; None for a folder that is not called like one of ours."""
    hit = re.fullmatch(r"(.+?)-\d[\w.+-]*", folder.name)
    return hit[1] if hit and hit[1] in PROGRAMS else None


def _wanted(refs: References) -> dict[Path, str]:
    """Folder -> the stack.yaml that uses it: the version that is pinned, else the newest (edge/host/find_engine.py)."""
    found: dict[Path, str] = {}
    for (backend, version), file in refs.engines.items():
        here = environments(backend) if backend in PROGRAMS else []
        for number, bin_ in here:
            if number == version or (not version and number == here[0][0]):
                found[bin_.parent.parent] = file
    return found


def _installing(root: Path, engine: str) -> bool:
    """Whether an install of that engine holds its lock (edge/engines.py)."""
    with contextlib.suppress(OSError), (root / f".{engine}.lock").open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
