from __future__ import annotations

from dataclasses import asdict

import pytest

from orchestrator.cli.probe_report import Report
from orchestrator.core.dialogue.ask import Turn
from tests.unit.dialogue.episodes import failing, finding, verdict


def test_the_summary_draws_the_curve_and_says_what_it_shows() -> None:
    skipped = ("pair", "raw arm: the chat template is not at hand")
    made = verdict(failing(22, 25, 30, 33, 38), [finding()], skipped=skipped)
    lines = Report(quiet=True).summary(asdict(made)).splitlines()
    assert lines[0] == "tiny<&>: fail (full tier, 12.5 s)"
    assert lines[2].startswith("  █████████████████████▆▆▆▅")
    assert lines[2].endswith("▁  without a failure, turns 1 to 38")
    assert any(line.startswith("  reading: drift: ") for line in lines)
    assert "  left out, as probe.json beside the weights asks: pair" in lines
    assert "  left out: raw arm: the chat template is not at hand" in lines
    assert "  first failure at turn 22" in lines
    assert "  fails: depth_drift (model_or_quantization)" in lines


def test_a_run_without_episodes_has_no_curve() -> None:
    assert Report(quiet=True).summary(asdict(verdict())).splitlines() == [
        "tiny<&>: pass (full tier, 12.5 s)",
        "  no turns",
    ]


def test_a_and_b() -> None:
    a, b = verdict(failing(*[None] * 8), model="one"), verdict(failing(*[3] * 8), model="other")
    text = Report(quiet=True).compared(asdict(a), asdict(b))
    assert text.startswith("A: one: pass")
    assert "\nB: other: pass" in text
    first, second = text.splitlines()[-2:]
    assert first.startswith("A/B: the difference is real (p = 0.016, 8 pairs): A holds longer")
    assert second == "  failed: only A 0, only B 8, both 0, none 0"


def test_scenarios_are_kept_in_order_also_when_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(quiet=True)
    for number, scenario in enumerate(("acceptance", "auto", "acceptance"), 1):
        report.turn(asdict(Turn(number, scenario, None, None, False, True, "")))
    assert list(report.scenarios) == ["acceptance", "auto"]
    assert capsys.readouterr() == ("", "")
