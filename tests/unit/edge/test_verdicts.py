"""edge/probe/verdicts.py: what a deeper probe found, a shallower one does not take back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.dialogue.tiers import TIERS as PROBED
from orchestrator.edge.probe.verdicts import TIERS, Verdicts
from tests.plans import fake

LAUNCH = replace(fake("m", 1), capabilities=("chat", "tools"))


def verdict(word: str, tier: str) -> Verdict:
    return Verdict("m", word, 8, 8, None, tier=tier)  # type: ignore[arg-type]


def test_the_tiers_are_those_of_the_probe() -> None:
    assert tuple(PROBED) == TIERS


@pytest.mark.parametrize(
    ("told", "mark"),
    [
        ("pass quick", "verified"),
        ("pass quick, fail quick", "failed"),
        ("fail quick, pass quick", "verified"),
        ("fail full, pass quick", "failed"),
        ("degraded standard, fail quick, pass quick", "degraded"),
        ("fail quick, pass standard", "verified"),
        ("fail standard, degraded full, pass quick", "degraded"),
        ("pass full, degraded quick", "degraded"),
    ],
)
def test_the_worst_that_stands_is_the_mark(tmp_path: Path, told: str, mark: str) -> None:
    kept = Verdicts(tmp_path / "verdicts.json")
    assert kept.mark(LAUNCH) == "untested"
    for at, one in enumerate(told.split(", ")):
        kept.put(LAUNCH, verdict(*one.split()), at=float(at))
    assert kept.mark(LAUNCH) == mark
    again = Verdicts(tmp_path / "verdicts.json")
    assert (again.mark(LAUNCH), again.get(LAUNCH)) == (mark, kept.get(LAUNCH))
    assert again.probed(LAUNCH) == told.count(",")


def test_a_shallow_verdict_does_not_answer_for_a_deep_one(tmp_path: Path) -> None:
    kept = Verdicts(tmp_path / "verdicts.json")
    kept.put(LAUNCH, verdict("pass", "standard"))
    assert kept.get(LAUNCH, "standard") == kept.get(LAUNCH)
    assert kept.get(LAUNCH, "full") is None
    assert Verdicts(tmp_path / "none.json").probed(LAUNCH) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"PROOF": {"verdict": "pass"}}', '{"PROOF": [{"at": 1}, 7, null]}'])
def test_what_another_version_wrote_is_no_verdict(tmp_path: Path, text: str) -> None:
    path = tmp_path / "verdicts.json"
    path.write_text(text.replace("PROOF", LAUNCH.proof))
    kept = Verdicts(path)
    assert (kept.get(LAUNCH), kept.mark(LAUNCH)) == (None, "untested")
    kept.put(LAUNCH, verdict("pass", "quick"), at=3.0)
    assert json.loads(path.read_text())[LAUNCH.proof][0]["at"] == 3.0


def test_models_without_tools_have_no_mark(tmp_path: Path) -> None:
    assert Verdicts(tmp_path / "verdicts.json").mark(fake("plain", 1)) == "none"
