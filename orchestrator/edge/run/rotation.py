"""Logs that launchd has jobs write for months: newsyslog(8) rotates nothing for a user, so the gateway does.

They are copied and cut (logs.rotate). That needs a writer that appends, as launchd's does: its last public source opens
StandardOutPath with O_APPEND.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path

from orchestrator.core.plan import Plan, slug
from orchestrator.core.targets.launchd import GATEWAY, SWAP, label, log_name
from orchestrator.edge.run import logs

PAUSE = 60.0


def files(plan: Plan, folder: Path) -> tuple[Path, ...]:
    """Of this plan's jobs, () without launchd. Other engines' logs are rotated when they start."""
    if plan.manager != "launchd":
        return ()
    ours = [folder / log_name(what) for what in (GATEWAY, SWAP)]
    ours += [logs.path_of(folder, model) for model in plan.managed]
    names = (GATEWAY, SWAP, *map(slug, plan.managed))
    return (*ours, *(logs.declared(label(plan.name, name)) for name in names))


async def keep_small(found: Sequence[Path], pause: float = PAUSE) -> None:
    """Until it is cancelled. A full disk is no reason to stop serving."""
    while found:
        for file in found:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(logs.rotate, file)
        await asyncio.sleep(pause)
