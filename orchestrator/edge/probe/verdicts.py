"""Verdicts of the probe, kept by what they depend on: weights, engine version, template and flags (decision 7)."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.launch import Launch

Mark = Literal["verified", "degraded", "failed", "untested", "none"]
MARKS: dict[str, Mark] = {"pass": "verified", "degraded": "degraded", "fail": "failed"}
ADAPTER = TypeAdapter(Verdict)
KEEP = 200


class Verdicts:
    """In memory and in `verdicts.json`: {proof: verdict}. A file that cannot be read starts anew: it is a cache."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, Any]] = {}
        self._marks: dict[str, Mark] = {}
        with contextlib.suppress(OSError, ValueError):
            self._known = json.loads(path.read_text())

    def get(self, launch: Launch) -> Verdict | None:
        row = self._known.get(launch.proof)
        try:
            return None if row is None else ADAPTER.validate_python(row)
        except ValidationError:  # written by another version
            return None

    def put(self, launch: Launch, verdict: Verdict) -> None:
        row = ADAPTER.dump_python(verdict, mode="json")
        row["transcript"] = row["transcript"][-6:]
        self._marks.clear()
        self._known.pop(launch.proof, None)
        self._known[launch.proof] = row
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
