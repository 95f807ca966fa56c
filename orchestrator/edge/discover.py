"""Backends and targets, found by file: a new one needs no registration. Users' own come by entry points.

A module exposes `BACKEND` or `TARGET`. Entry points `stack.backends` and `stack.targets` name such an object; one with
the name of ours replaces it.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path
from typing import Any

from orchestrator.core import backends as backend_package
from orchestrator.core import targets as target_package
from orchestrator.core.backend import Backend
from orchestrator.core.target import Target


def backends() -> dict[str, Backend]:
    """By name, sorted."""
    return _found(backend_package, "BACKEND", "stack.backends")


def targets() -> dict[str, Target]:
    """By name, sorted."""
    return _found(target_package, "TARGET", "stack.targets")


def _found(package: Any, attribute: str, group: str) -> dict[str, Any]:
    ours = [getattr(_module(package, name), attribute) for name in _files(package)]
    found = {one.name: one for one in ours} | {one.name: one for one in _entries(group)}
    return dict(sorted(found.items()))


def _files(package: Any) -> list[str]:
    return sorted(info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_"))


def _module(package: Any, name: str) -> Any:
    return importlib.import_module(f"{package.__name__}.{name}")


def _entries(group: str) -> list[Any]:
    """importlib.metadata reads every distribution, which takes longer than planning: first a look for the name."""
    files = (file for folder in sys.path for file in Path(folder or ".").glob("*.dist-info/entry_points.txt"))
    if not any(group in file.read_text(errors="replace") for file in files):
        return []
    from importlib.metadata import entry_points

    return [entry.load() for entry in entry_points(group=group)]
