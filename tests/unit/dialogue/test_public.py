from __future__ import annotations

import json

import pytest
from hypothesis import given

from orchestrator.core.dialogue.compare import compare
from orchestrator.core.dialogue.findings import Episode, Pace
from orchestrator.core.dialogue.reports.public import FIELDS, compared, dumps, public
from tests.unit.dialogue.episodes import failing, finding, paced, some_episodes, verdict


def test_the_keys_that_scripts_rely_on() -> None:
    made = json.loads(dumps(public(verdict(failing(6, None), [finding()]))))
    assert set(made) == {*FIELDS, "cut_short", "episodes", "statistics"}
    assert (made["model"], made["verdict"], made["turns"], made["clean_turns"]) == ("tiny<&>", "fail", 46, 45)
    assert (made["first_failure"], made["cut_short"]) == (6, None)
    (found,) = made["findings"]
    assert (found["culprit"], found["severity"], found["turn"]) == ("model_or_quantization", "F", 6)
    assert made["episodes"][0] == {"arm": "free_run", "seed": 0, "turns": 6, "failed": 6, "code": "depth_drift"}
    told = made["statistics"]
    assert (told["episodes"], told["clean_episodes"], told["clean_share"]) == (2, 1, None)
    assert [point["turn"] for point in told["survival"]] == [6, 40]
    assert told["reading"]["kind"] == "too few"
    assert told["cache"]["state"] == "unclear"


@given(some_episodes())
def test_any_verdict_is_json_that_utf8_can_hold(episodes: list[Episode]) -> None:
    times = tuple(paced(lambda prompt, new: 1e-3 * prompt, walks=1))
    text = dumps(public(verdict(episodes, [finding()], pace=times), "the budget ended"))
    assert json.loads(text.encode().decode())["cut_short"] == "the budget ended"
    assert "\n" not in text


def test_a_run_cut_short_before_anything_was_asked() -> None:
    made = json.loads(dumps(public(verdict(), "interrupted")))
    assert (made["turns"], made["findings"], made["statistics"]["survival"]) == (0, [], [])
    assert made["bound"] == "no turns"


def test_numbers_that_json_lacks_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        dumps(public(verdict(seconds=float("nan"))))


def test_a_and_b() -> None:
    a, b = verdict(failing(*[None] * 8)), verdict(failing(*[3] * 8))
    made = json.loads(dumps(compared(a, b, compare(a.episodes, b.episodes), "the budget ended")))
    assert made["comparison"]["better"] == "A"
    assert (made["a"]["verdict"], made["b"]["clean_turns"], made["b"]["cut_short"]) == ("pass", 16, "the budget ended")


def test_times_do_not_travel_but_what_they_show_does() -> None:
    made = public(verdict(failing(None), pace=(Pace(3, 400, 60, 0.1),)))
    assert "pace" not in made
    assert made["statistics"]["cache"]["turns"] == 1
