"""Weights that cannot be used, and why."""

from __future__ import annotations

from pathlib import Path


class BadWeights(ValueError):
    """text: what is wrong with `file`, in words."""

    def __init__(self, file: Path, text: str) -> None:
        super().__init__(f"{file}: {text}")
        self.file = file
        self.text = text


class MissingFile(BadWeights):
    """A file that must be there is not: in the hub's cache, a download that did not end."""
