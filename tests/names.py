"""Names of stacks that live beside those of other tests: engines are known by the name, and ports come of its hash."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.core.planner.ports import FIRST, LAST, preferred

USUAL = ("selftest", "tiny", "other", "llama-swap")


def apart(prefix: str, *models: str) -> str:
    """Another one in each process; the ports of these models (and the usual ones) lie in this test worker's share."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    share = (LAST - FIRST + 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ours = range(FIRST + worker * share, FIRST + (worker + 1) * share)
    names = (f"{prefix}-{os.getpid()}-{n:x}" for n in itertools.count())
    return next(name for name in names if all(preferred(name, model) in ours for model in (*USUAL, *models)))


@contextlib.contextmanager
def alone(what: str) -> Iterator[None]:
    """One test of the machine at a time: `stack try` looks for a free port, and two would find the same."""
    with (Path(tempfile.gettempdir()) / f"stack-tests-{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
