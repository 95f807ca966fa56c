"""Verdicts of the probe, kept by what they depend on: weights, engine version, template and flags (decision 7).

Of each tier the last one, and a deeper one in place of those that it includes: what 40 turns found, 8 clean ones do not
take back. The worst of them is the model's mark.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.launch import Launch

Mark = Literal["verified", "degraded", "failed", "untested", "none"]
MARKS: dict[str, Mark] = {"pass": "verified", "degraded": "degraded", "fail": "failed"}
TIERS = ("quick", "standard", "full")
"""Each proves what those before it prove."""
ADAPTER = TypeAdapter(Verdict)
KEEP = 200
_BADNESS = tuple(MARKS)


class Verdicts:
    """In memory and in `verdicts.json`: {proof: [{at: unix time, verdict}]}. A file that cannot be read starts anew: it
    is a cache."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, Any] = {}
        self._marks: dict[str, Mark] = {}
        self._read: dict[str, list[tuple[float, Verdict]]] = {}
        with contextlib.suppress(OSError, ValueError):
            read = json.loads(path.read_text())
            self._known = read if isinstance(read, dict) else {}

    def get(self, launch: Launch, tier: str = TIERS[0]) -> Verdict | None:
        """The worst that stands, of equals the deepest; None: nothing of this tier or a deeper one was asked."""
        rows = [verdict for _, verdict in self._rows(launch)]
        if not any(_depth(verdict) >= TIERS.index(tier) for verdict in rows):
            return None
        return max(rows, key=lambda verdict: (_BADNESS.index(verdict.verdict), _depth(verdict)))

    def probed(self, launch: Launch) -> float | None:
        """Unix time of the last verdict."""
        return max((at for at, _ in self._rows(launch)), default=None)

    def put(self, launch: Launch, verdict: Verdict, at: float | None = None) -> None:
        """at: unix time, None = now."""
        kept = [(when, old) for when, old in self._rows(launch) if _depth(old) > _depth(verdict)]
        rows = [*kept, (time.time() if at is None else at, verdict)]
        self._marks.clear()
        self._read.clear()
        self._known.pop(launch.proof, None)
        self._known[launch.proof] = [{"at": when, "verdict": _written(one)} for when, one in rows]
        while len(self._known) > KEEP:
            self._known.pop(next(iter(self._known)))
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._known))
        os.replace(fresh, self._path)

    def mark(self, launch: Launch) -> Mark:
        """Asked with every request that carries tools, so it is kept per model of the one plan that is served."""
        if launch.model not in self._marks:
            verdict = self.get(launch)
            tested: Mark = "untested" if verdict is None else MARKS[verdict.verdict]
            self._marks[launch.model] = tested if "tools" in launch.capabilities else "none"
        return self._marks[launch.model]

    def finding(self, launch: Launch) -> str | None:
        """The first finding that failed it, in words."""
        verdict = self.get(launch)
        if verdict is None:
            return None
        return next((f"{f.code}: {f.text}" for f in verdict.findings if f.severity == "F"), None)

    def _rows(self, launch: Launch) -> list[tuple[float, Verdict]]:
        if launch.proof not in self._read:
            rows = self._known.get(launch.proof)
            found = self._read[launch.proof] = []
            for row in rows if isinstance(rows, list) else ():
                with contextlib.suppress(ValidationError, KeyError, TypeError, ValueError):  # of another version
                    found.append((float(row["at"]), ADAPTER.validate_python(row["verdict"])))
        return self._read[launch.proof]


def _depth(verdict: Verdict) -> int:
    return TIERS.index(verdict.tier) if verdict.tier in TIERS else 0


def _written(verdict: Verdict) -> dict[str, Any]:
    row: dict[str, Any] = ADAPTER.dump_python(verdict, mode="json")
    row["transcript"] = row["transcript"][-6:]
    return row
