"""What the probe itself costs: python bench/probe_cost.py

A free run of 40 turns against a fake engine whose replies take 50 ms: all that is not those 50 ms is overhead, the fake
engine's own work and the sockets included. Then 1,000 turns: the memory after them against that after the first 200.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.probe_engine import FakeEngine
from orchestrator.core.dialogue.ask import Turn
from orchestrator.core.dialogue.setup import Parameters
from orchestrator.edge.probe.runner import Target, probe

REPLY = 0.05
EPISODE = 40


async def overhead(rounds: int) -> float:
    """The median share of the time of a standard probe that is not the engine's 50 ms a reply."""
    shares = []
    async with FakeEngine("--reply-delay", str(REPLY)) as engine:
        for _ in range(rounds):
            turns: list[Turn] = []
            begun = time.monotonic()
            await probe(Target(engine.url, "fake"), "standard", on_turn=turns.append, parameters=Parameters(together=1))
            shares.append((time.monotonic() - begun) / (len(turns) * REPLY) - 1)
    return sorted(shares)[len(shares) // 2]


async def memory(turns: int) -> tuple[float, float]:
    """MiB after 200 turns of free runs, and after all."""
    process, seen = psutil.Process(), {}

    def on_turn(turn: Turn) -> None:
        if turn.scenario == "free_run":
            count = seen["count"] = seen.get("count", 0) + 1
            if count in (200, turns):
                gc.collect()
                seen[count] = process.memory_info().rss

    async with FakeEngine() as engine:
        size = Parameters(episodes=turns // EPISODE)
        await probe(Target(engine.url, "fake"), "full", on_turn=on_turn, parameters=size)
    return seen[200] / 2**20, seen[turns] / 2**20


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=1000)
    options = parser.parse_args(argv)
    share = asyncio.run(overhead(options.rounds))
    print(f"probe overhead against replies of {REPLY * 1000:.0f} ms: {share:.1%} (median of {options.rounds})")
    early, late = asyncio.run(memory(options.turns))
    growth = f"{late / early:.2f} times"
    print(f"memory after 200 turns {early:.1f} MiB, after {options.turns:,} turns {late:.1f} MiB: {growth}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
