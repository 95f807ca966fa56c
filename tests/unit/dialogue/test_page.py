from __future__ import annotations

from orchestrator.core.dialogue.reports.page import OPEN, page
from tests.unit.dialogue.episodes import failing, finding, paced, verdict

TIMES = tuple(paced(lambda prompt, new: 1e-3 * prompt))
CALL = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}


def test_plots_where_there_is_something_to_plot() -> None:
    assert page(verdict()).plots == ()
    assert [plot.title for plot in page(verdict(failing(9))).plots] == ["Episodes"]
    several = page(verdict(failing(9, None), pace=TIMES))
    titles = ["How long it holds", "When it breaks", "Episodes", "Time to the first token"]
    assert [plot.title for plot in several.plots] == titles
    assert "too few" in several.plots[1].caption
    assert "cold" in several.plots[3].caption


def test_a_and_b_share_their_plots() -> None:
    found = page(verdict(failing(*[None] * 8)), verdict(failing(*[3] * 8)))
    assert [curve.side for curve in found.plots[0].curves] == ["a", "b"]
    assert found.comparison is not None
    assert found.comparison.better == "A"
    assert found.title == "tiny<&> against tiny<&>"


def test_a_finding_with_where_it_was_and_its_evidence_cut_short() -> None:
    (side,) = page(verdict(failing(6), [finding("D")])).sides
    (row,) = side.rows
    assert (row.severity, row.where) == ("degrades", "free_run, turn 6, streamed")
    assert [name for name, _ in row.evidence] == ["request", "status", "reply"]
    assert len(dict(row.evidence)["reply"]) < 4100


def test_whatever_a_broken_server_said_is_a_transcript() -> None:
    odd = [{"role": "user", "content": [{"type": "text"}]}, {"tool_calls": [None, {"function": None}]}, {}, CALL]
    (side,) = page(verdict(failing(3), transcript=(*odd, CALL, CALL, CALL))).sides
    assert (len(side.earlier), len(side.said)) == (1, OPEN)
    assert side.earlier[0].text == '[{"type": "text"}]'
    assert side.said[0].calls == (("", ""),)
    assert side.said[-1].calls == (("f", "{}"),)
