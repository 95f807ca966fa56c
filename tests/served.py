"""An engine as a process of its own, without `stack`, and what the probe says of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.dialogue.setup import Size
from orchestrator.edge.probe import runner as probing
from tests.homes import Home

START_S = 180.0
QUICK = Size(tier="quick")


@contextlib.contextmanager
def running(argv: list[str], home: Home, port: int, env: Mapping[str, str] | None = None) -> Iterator[str]:
    """The API root of an engine, once /health says 200; it and its children are gone afterwards."""
    log = home.work / "engine.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            argv, env={**home.env, **(env or {})}, stdout=out, stderr=out, cwd=home.work, start_new_session=True
        ) as process,
    ):
        try:
            ends = time.monotonic() + START_S
            while not _healthy(port):
                alive = process.poll() is None and time.monotonic() < ends
                assert alive, log.read_text()[-3000:]
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _healthy(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
    return False


def probed(url: str, model: Path, name: str = "tiny", size: Size = QUICK) -> Verdict:
    """What the probe says, knowing the model's template and probe.json and nothing of the engine."""
    target = probing.with_template(probing.Target(url, name), model)
    return asyncio.run(probing.probe(target, size.tier, parameters=probing.read_parameters(model).sized(size)))
