"""States of stacks whose stack.yaml is gone, control sockets that nobody answers at, and kept texts of long ago."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.pruning import Item, Kept
from orchestrator.edge import paths, stacks
from orchestrator.edge.doctor import places
from orchestrator.edge.prune.sizes import freed

OLD = 30 * 86400
"""Seconds after which a kept text that nobody read goes; it costs a second to make it again."""


def find() -> Iterator[Item | Kept]:
    yield from _states()
    yield from _sockets()
    yield from _texts()


def remove(item: Item) -> None:
    """Raises OSError."""
    if item.kind == "cache":
        for name in item.files:
            Path(item.path, name).unlink(missing_ok=True)
    elif item.kind == "socket":
        os.unlink(item.path)
    else:
        shutil.rmtree(item.path)


def _states() -> Iterator[Item | Kept]:
    left = {one.stack for one in places.leftovers()}
    for one in stacks.known():
        if one.file is None:
            yield Kept("state", one.name, "it does not say of which stack.yaml it is")
        elif one.file.exists():
            yield Kept("state", one.name, f"of {one.file}")
        elif one.runs or one.name in left:
            yield Kept("state", one.name, f"{one.file} is gone, but engines of it run (stack doctor)")
        else:
            yield Item("state", one.name, str(one.paths.state), freed(one.paths.state), f"{one.file} is gone")


def _sockets() -> Iterator[Item]:
    runtime = places.runtime()
    if runtime is None or not runtime.mine:
        return
    for socket in runtime.sockets:
        if not socket.answers:
            yield Item("socket", Path(socket.path).name, socket.path, 0, "nobody answers at it")


def _texts() -> Iterator[Item]:
    """What edge/keep.py wrote: KIND/<32 hex>."""
    root = paths.cache_home()
    before = time.time() - OLD
    old, size = [], 0
    for file in sorted(root.glob("*/*")):
        if re.fullmatch(r"[0-9a-f]{32}(\.\d+)?", file.name) and not file.is_symlink() and not file.parent.is_symlink():
            facts = file.lstat()
            if max(facts.st_mtime, facts.st_atime) < before:
                old.append(str(file.relative_to(root)))
                size += facts.st_blocks * 512
    if old:
        yield Item("cache", f"{len(old)} kept texts", str(root), size, "not read for 30 days", tuple(old))
