"""The JSON of a verdict (docs/probe.md): what `stack probe --json` prints, whole or cut short."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from orchestrator.core.dialogue.compare import Comparison
from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.dialogue.reports.numbers import Numbers, numbers
from orchestrator.core.dialogue.reports.safe import whole

FIELDS = (
    "model",
    "verdict",
    "turns",
    "clean_turns",
    "first_failure",
    "findings",
    "tier",
    "seconds",
    "bound",
    "skipped",
)


def public(verdict: Verdict, cut_short: str = "") -> dict[str, Any]:
    """cut_short: why the run ended before its tier did, "" = it did not."""
    known = asdict(verdict)
    shown = {name: known[name] for name in FIELDS}
    found = numbers(verdict)
    return {**shown, "cut_short": cut_short or None, "episodes": known["episodes"], "statistics": _statistics(found)}


def compared(a: Verdict, b: Verdict, comparison: Comparison, cut_short: str = "") -> dict[str, Any]:
    """An A/B: both verdicts and what their difference shows."""
    return {"a": public(a, cut_short), "b": public(b, cut_short), "comparison": asdict(comparison)}


def dumps(value: dict[str, Any]) -> str:
    """One line of JSON that UTF-8 can hold, without NaN. Raises ValueError on a number that JSON lacks."""
    return whole(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _statistics(found: Numbers) -> dict[str, Any]:
    """survival: the turns with a failure, and the last."""
    steps = [asdict(point) for point in found.points if point.failures or point is found.points[-1]]
    return {
        "episodes": len(found.episodes),
        "clean_episodes": found.clean,
        "survival": steps,
        "hazards": [asdict(one) for one in found.hazards],
        "reading": asdict(found.reading),
        "clean_share": None if found.share is None else asdict(found.share),
        "cache": asdict(found.cache),
        "lines": list(found.lines),
    }
