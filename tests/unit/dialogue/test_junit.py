from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from orchestrator.core.dialogue.reports.junit import junit
from orchestrator.core.dialogue.reports.safe import plain
from tests.unit.dialogue.episodes import HOSTILE, failing, finding, verdict


def read(text: str) -> Element:
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    return fromstring(text.encode())


def cases(suite: Element) -> dict[str | None, list[str]]:
    """name -> the tags inside."""
    return {case.get("name"): [inner.tag for inner in case] for case in suite.iter("testcase")}


def test_a_case_for_each_scenario_and_each_finding_that_fails() -> None:
    found = [
        finding("F"),
        finding("F", code="loop"),
        finding("D", scenario="auto", code="stop_with_calls"),
        finding("N", scenario="named", code="named_ignored"),
    ]
    made = verdict(failing(6, None), found, skipped=("together",))
    root = read(junit([made], ["acceptance", "auto", "named", "free_run"]))
    assert cases(root) == {
        "acceptance": [],
        "auto": ["system-out"],
        "named": ["system-out"],
        "free_run: depth_drift": ["failure"],
        "free_run: loop": ["failure"],
        "together": ["skipped"],
    }
    (suite,) = root
    for element in (root, suite):
        assert [element.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["6", "2", "0", "1"]
    told = {one.get("name"): one.get("value") for one in suite.iter("property")}
    assert told["verdict"] == "fail"
    assert told["bound"] == made.bound


def test_evidence_is_cut_short_and_holds_only_what_xml_can() -> None:
    root = read(junit([verdict(failing(6), [finding()])]))
    (failure,) = root.iter("failure")
    assert failure.get("type") == "depth_drift"
    # a parser makes one space of each line break and tab in an attribute that is not escaped: these are
    assert failure.get("message") == plain(f"expected a, got {HOSTILE} (model_or_quantization)")
    assert failure.text is not None
    assert "turn 6, streamed; culprit: model_or_quantization; mend: try <more> bits" in failure.text
    assert plain(HOSTILE) in failure.text
    assert "[... 7000 characters ...]" in failure.text
    assert len(failure.text) < 3000


@pytest.mark.parametrize(("severity", "failures"), [("F", 1), ("D", 0), ("N", 0)])
def test_red_is_what_exits_6(severity: Any, failures: int) -> None:
    made = verdict(failing(6), [finding(severity)])
    assert (made.verdict == "fail") is bool(failures)
    assert read(junit([made])).get("failures") == str(failures)


def test_a_run_cut_short_is_an_error_and_nothing_at_all_is_still_a_case() -> None:
    root = read(junit([verdict()], cut_short="the budget \x00 ended"))
    assert cases(root) == {"tool path": [], "the whole tier": ["error"]}
    (error,) = root.iter("error")
    assert error.get("message") == "the budget ␀ ended"
    assert cases(read(junit([verdict()]))) == {"tool path": []}


def test_both_of_an_a_and_b() -> None:
    root = read(junit([verdict(), verdict(failing(3), [finding()])], words="no difference shown"))
    assert [suite.get("failures") for suite in root] == ["0", "1"]
    assert (root.get("tests"), root.get("failures"), root.get("time")) == ("2", "1", "25.000")
    told = [one.get("value") for one in root.iter("property") if one.get("name") == "comparison"]
    assert told == ["no difference shown"] * 2
