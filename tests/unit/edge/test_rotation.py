from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

from orchestrator.core.plan import slug
from orchestrator.edge.run import logs, rotation
from tests.plans import fake, plan_of


def test_the_logs_of_launchds_jobs_and_of_no_others(tmp_path: Path) -> None:
    launches = (replace(fake("r", 18500), owner="manager"), fake("d", 18501))
    plan = plan_of(*launches, name="t")
    assert rotation.files(plan, tmp_path) == ()
    found = rotation.files(replace(plan, manager="launchd"), tmp_path)
    assert [file.name for file in found[:3]] == ["daemon.log", "llama-swap.log", f"{slug('r')}.log"]
    nix = Path.home() / "Library" / "Logs"
    assert found[3:] == tuple(nix / f"stack-t-{what}.log" for what in ("gateway", "llama-swap", slug("r")))


async def _until(small: Path, watching: asyncio.Task[None]) -> None:
    while small.stat().st_size >= logs.LIMIT and not watching.done():
        await asyncio.sleep(0.01)


def test_a_log_is_cut_while_it_is_written_and_what_is_written_then_comes_first(tmp_path: Path) -> None:
    log, missing = tmp_path / "a.log", tmp_path / "missing.log"

    async def run() -> None:
        with open(log, "ab", buffering=0) as writer:
            writer.write(b"x" * logs.LIMIT)
            watching = asyncio.create_task(rotation.keep_small([missing, log], 0.01))
            await _until(log, watching)
            writer.write(b"next\n")
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    asyncio.run(run())
    assert log.read_bytes() == b"next\n"
    assert log.with_suffix(".log.1").stat().st_size == logs.LIMIT


def test_without_files_there_is_nothing_to_wait_for() -> None:
    asyncio.run(rotation.keep_small(()))
