"""The probe against every failure mode that it claims to name, and against healthy servers: python bench/probe.py

Each row of the table of failure modes (docs/probe.md) is put into a real process, tests/fakes/engine.py, alone: in each
wire format, from the first turn and from a later one, in streamed replies only and in both. The confusion matrix says
what the probe named. Then healthy servers of every style: whatever is more than a note there is a false alarm.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "fakes"))

from engine_wires import WIRES

from bench.probe_cases import HEALTHY, ROWS, Case, Row, as_prompt, cases
from bench.probe_engine import FakeEngine
from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.dialogue.setup import Parameters
from orchestrator.edge.probe.runner import Target, probe

LANES = 3


@dataclass
class Matrix:
    """named: what the probe said of each row, in how many cases; wrong: the cases in which that was another thing."""

    named: dict[str, Counter[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    right: set[str] = field(default_factory=set)

    def enter(self, row: Row, case: Case, verdict: Verdict) -> None:
        told = [f"{f.code} ({f.culprit.value})" for f in verdict.findings if f.severity != "N" or row.note]
        self.named.setdefault(row.code, Counter()).update([" + ".join(told) or "nothing"])
        if not case.is_named_by(told):
            self.wrong.append(f"{row.code}, {case}: {' + '.join(told) or 'nothing'}")

    def rows(self) -> Iterator[str]:
        for code, counts in self.named.items():
            bad = any(line.startswith(f"{code},") for line in self.wrong)
            if not bad:
                self.right.add(code)
            for place, (said, count) in enumerate(counts.most_common()):
                yield f"| {code if not place else ''} | {said} | {count} | {'' if place else 'NO' if bad else 'yes'} |"


async def one(row: Row, case: Case, matrix: Matrix) -> None:
    async with FakeEngine(*case.options) as engine:
        target = Target(engine.url, "fake", None, case.wire, render=as_prompt)
        size = Parameters(episodes=2, request_seconds=20)
        matrix.enter(row, case, await probe(target, case.tier, seed=case.seed, parameters=size))


async def healthy(options: Sequence[str], seeds: Sequence[int], alarms: list[str], wire: str) -> None:
    async with FakeEngine(*options) as engine:
        for seed in seeds:
            verdict = await probe(Target(engine.url, "fake", None, wire, render=as_prompt), "quick", seed=seed)
            bad = [f"{f.code}: {f.text}" for f in verdict.findings if f.severity != "N"]
            if bad or verdict.verdict != "pass":
                alarms.append(f"seed {seed}, {' '.join(options) or 'plain'}: {'; '.join(bad)}")


async def gathered(work: list, label: str) -> None:
    """So many at a time, with a line of progress on stderr."""
    lanes, done = asyncio.Semaphore(LANES), 0

    async def lane(item) -> None:
        nonlocal done
        async with lanes:
            await item
        done += 1
        if sys.stderr.isatty() or done % 25 == 0 or done == len(work):
            print(f"{label}: {done}/{len(work)}", end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr)

    await asyncio.gather(*(lane(item) for item in work))


async def run(seeds: int, brief: bool) -> int:
    matrix, alarms = Matrix(), []
    todo = [(row, case) for row in ROWS for case in cases(row, list(WIRES)[:2] if brief else list(WIRES))]
    await gathered([one(row, case, matrix) for row, case in todo], "faults")
    share = [list(range(start, seeds, len(HEALTHY))) for start in range(len(HEALTHY))]
    works = [healthy(style, own, alarms, "") for style, own in zip(HEALTHY, share, strict=True) if own]
    await gathered(works, "healthy styles")
    print("| failure mode | named as | cases | right |\n|---|---|---|---|")
    print("\n".join(matrix.rows()))
    print(f"\n{len(todo)} cases, {len(HEALTHY)} healthy styles.")
    for line in [*matrix.wrong, *alarms]:
        print(f"- {line}")
    print(f"\n{len(matrix.right)}/{len(ROWS)} named, {len(alarms)} false alarms in {seeds:,} seeds")
    return 0 if len(matrix.right) == len(ROWS) and not alarms else 1


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1000, help="healthy conversations, spread over the styles")
    parser.add_argument("--brief", action="store_true", help="two wire formats only")
    options = parser.parse_args(argv)
    return asyncio.run(run(options.seeds, options.brief))


if __name__ == "__main__":
    sys.exit(main())
