"""What the probe itself costs: python bench/probe_cost.py

A standard probe (a free run of 40 turns in it) against a fake engine whose replies take 50 ms, and the same requests
sent by http.client right after: what the probe takes longer is its overhead. Then 1,000 turns: the memory after them
against that after the first 200.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import http.client
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.probe_engine import FakeEngine
from orchestrator.core.dialogue.ask import Turn
from orchestrator.core.dialogue.setup import Parameters
from orchestrator.edge.probe import client
from orchestrator.edge.probe.post import post
from orchestrator.edge.probe.runner import Target, probe

REPLY = 0.05
EPISODE = 40


async def overhead(rounds: int) -> float:
    """The median of how much longer a standard probe takes than its bare requests, sent again by http.client."""
    shares = []
    async with FakeEngine("--reply-delay", str(REPLY)) as engine:
        for _ in range(rounds):
            sent = Recorder()
            with mock.patch.object(client, "post", sent):
                begun = time.monotonic()
                await probe(Target(engine.url, "fake"), "standard", parameters=Parameters(together=1))
                whole = time.monotonic() - begun
            shares.append(whole / await asyncio.to_thread(bare, engine.url, sent.bodies) - 1)
    return sorted(shares)[len(shares) // 2]


class Recorder:
    """`post` that remembers what it sent."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, url: str, headers: Mapping[str, str], body: bytes, *rest: Any) -> None:
        self.bodies.append(body)
        await post(url, headers, body, *rest)


def bare(url: str, bodies: Sequence[bytes]) -> float:
    """Seconds that the same requests take, one after another, on a connection each."""
    begun = time.monotonic()
    for body in bodies:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
        connection.getresponse().read()
        connection.close()
    return time.monotonic() - begun


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
