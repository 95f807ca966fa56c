"""Hugging Face's hub cache on disk, read without its library: models--ORG--NAME/{refs,snapshots}."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.edge import paths


def snapshot(repo: str, revision: str | None) -> Path | None:
    """The folder of that revision (a commit, a tag or a branch; default main), None if it was never downloaded."""
    base = paths.hub_cache() / f"models--{repo.replace('/', '--')}"
    commit = revision or "main"
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        try:
            commit = (base / "refs" / commit).read_text().strip()
        except OSError:
            return None
    folder = base / "snapshots" / commit
    return folder if folder.is_dir() else None


def is_path(name: str) -> bool:
    """Whether `mmproj` or `draft` names a file on disk, not one in the repository."""
    return name.startswith(("/", "./", "../", "~"))
