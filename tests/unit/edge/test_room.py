"""Whether the memory that the plan reserved is there when an engine starts; nvidia-smi is a script that says it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.host import Gpu
from orchestrator.core.launch import Reservation
from orchestrator.core.plan import Plan
from orchestrator.edge.run import room
from orchestrator.errors import EngineError
from tests.plans import fake, plan_of

GIB = 2**30


@pytest.fixture
def free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What nvidia-smi prints, one line a call, the last one for ever."""
    says = tmp_path / "says"
    script = tmp_path / "nvidia-smi"
    script.write_text(
        f'#!/bin/sh\nhead -n 1 {says}\nif [ "$(wc -l < {says})" -gt 1 ]; then\n'
        f"tail -n +2 {says} > {says}.new && mv {says}.new {says}\nfi\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(room, "PAUSE", 0.001)
    return says


def needing(pool: str, size: int, *, mig: bool = False) -> Plan:
    launch = replace(fake("a", 18500), memory=(Reservation(pool, size, 0, ""),))
    plan = plan_of(launch, name="t")
    return replace(plan, host=replace(plan.host, gpus=(Gpu(0, "GPU-0", "x", 80 * GIB, mig=mig),)))


def wait(plan: Plan) -> None:
    asyncio.run(room.wait(plan, plan.launches[0]))


def test_gpu_memory_that_comes_back_is_waited_for(free: Path) -> None:
    free.write_text("0, 100\n0, 100\n0, 70000\n")
    wait(needing("gpu:0", 60 * GIB))
    assert free.read_text() == "0, 70000\n"


def test_gpu_memory_that_stays_taken_is_an_error_unless_forced(free: Path) -> None:
    free.write_text("0, 1024\n")
    plan = needing("gpu:0", 60 * GIB)
    with pytest.raises(EngineError, match=r"a needs 60\.0 GiB on gpu:0 and 1\.0 GiB are available now") as caught:
        wait(plan)
    assert "--force a" in caught.value.mend
    wait(replace(plan, forced=("a",)))


@pytest.mark.parametrize("pool", ["host", "unified"])
def test_host_memory(pool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PAUSE", 0.001)
    wait(needing(pool, 1))
    with pytest.raises(EngineError, match="of memory and"):
        wait(needing(pool, 2**60))


def test_a_pool_that_nobody_can_measure_is_believed(free: Path) -> None:
    free.write_text("0, 1\n")
    wait(needing("gpu:0", 60 * GIB, mig=True))
    free.write_text("0, [N/A]\n")
    wait(needing("gpu:0", 60 * GIB))
