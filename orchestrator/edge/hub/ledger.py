"""Which files of the hub cache came by `stack pull`: the cache belongs to other tools, too, and `stack prune` removes
only what we brought.

A line a pull in `pulled.jsonl`, written before the download begins: {"repo", "commit", "files": names}.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from orchestrator.edge import paths
from orchestrator.edge.hub.download import repo_folder
from orchestrator.edge.hub.remote import Listing


def place() -> Path:
    return paths.data_home() / "pulled.jsonl"


def remember(found: Listing) -> None:
    """The files of this listing that the snapshot does not have yet."""
    snapshot = repo_folder(found.repo) / "snapshots" / found.commit
    names = [file.name for file in found.files if not (snapshot / file.name).exists()]
    line = json.dumps({"repo": found.repo, "commit": found.commit, "files": names})
    # without this line `stack prune` takes the files for another tool's, and keeps them
    with contextlib.suppress(OSError):
        place().parent.mkdir(parents=True, exist_ok=True)
        with place().open("a") as stream:
            stream.write(line + "\n")


def read() -> dict[tuple[str, str], set[str]]:
    """(repo, commit) -> names of files. A broken line counts as not written."""
    try:
        lines = place().read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    found: dict[tuple[str, str], set[str]] = {}
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            row = json.loads(line)
            found.setdefault((str(row["repo"]), str(row["commit"])), set()).update(map(str, row["files"]))
    return found
