"""What the plan reserved must be there now: an engine that swaps is slower than none, and one without its GPU memory
ends after minutes of loading."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import psutil

from orchestrator.core.launch import Launch
from orchestrator.core.parse_host import parse_free
from orchestrator.core.plan import Plan
from orchestrator.core.units import show_size
from orchestrator.edge.host import detect_gpu
from orchestrator.edge.run import identity
from orchestrator.errors import EngineError

TRIES, PAUSE = 20, 0.25
"""The engine before it may have ended this instant: its memory comes back within seconds."""


async def wait(plan: Plan, launch: Launch) -> None:
    """Returns once each pool has what `launch` reserves there, or at once where it is forced. Raises EngineError."""
    if launch.model in plan.forced:
        return
    needs = {("host" if r.pool == "unified" else r.pool): r.total for r in launch.memory}
    for tries in range(TRIES, 0, -1):
        free = await asyncio.to_thread(_free, plan, gpus=any(pool != "host" for pool in needs))
        # a pool that nobody measures (a MIG instance) is believed
        if not (short := [pool for pool, need in needs.items() if free.get(pool, need) < need]):
            return
        if tries > 1:
            await asyncio.sleep(PAUSE)
    pool = short[0]
    where = "of memory" if pool == "host" else f"on {pool}"
    tried = launch.model.startswith(identity.TRY)
    way = "`stack try --instead`" if tried else f"`stack up --force {launch.model}`"
    raise EngineError(
        f"{launch.model} needs {show_size(needs[pool])} {where} and {show_size(free[pool])} are available now",
        mend=f"close what uses the memory, or {way}",
    )


def _free(plan: Plan, *, gpus: bool) -> Mapping[str, int]:
    """Bytes by pool."""
    free = {"host": psutil.virtual_memory().available}
    if gpus and not any(gpu.mig for gpu in plan.host.gpus):
        free |= {f"gpu:{index}": size for index, size in parse_free(detect_gpu.ask_free()).items()}
    return free
