"""What an installed llama-swap knows, by its version (from its source's history)."""

from __future__ import annotations

import re

from orchestrator.core.host import Engine

OLDEST = 225
"""The first version with `routing.router`, without which it runs one model at a time."""
UNLOAD_TIMEOUT = 240
"""The first version with `unloadTimeout`; before it 10 s passed between SIGTERM and SIGKILL."""


def known_version(installed: Engine | None) -> int | None:
    """Its number, None where it does not tell (a build of one's own says 0)."""
    hit = re.match(r"v?(\d+)", installed.version if installed else "")
    return int(hit[1]) if hit and int(hit[1]) > 0 else None
