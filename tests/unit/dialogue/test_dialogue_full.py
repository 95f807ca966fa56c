"""The full tier: episodes, the raw arm, one factor at a time, and whether the prefix cache lives."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.dialogue.prefix_cache import cache
from orchestrator.core.dialogue.setup import Parameters
from tests.unit.dialogue.driver import WIRES, Style, drive, told

TWO = Parameters(episodes=2)


def full(fault: str = "", **more: Any) -> Any:
    style = {name: more.pop(name) for name in ("wire", "prefill", "cached") if name in more}
    wire = WIRES[style.get("wire", "hermes")][0]
    return drive(Style(fault=fault, **style), "full", **{"wire": wire, "parameters": TWO, **more})[0]


def test_a_healthy_engine_walks_every_episode() -> None:
    verdict = full()
    assert (verdict.verdict, verdict.findings, verdict.skipped) == ("pass", (), ())
    assert [(e.arm, e.seed, e.turns, e.failed) for e in verdict.episodes] == [
        ("free_run", 2, 40, None),
        ("free_run", 3, 40, None),
    ]
    assert (verdict.turns, verdict.clean_turns, verdict.first_failure) == (80, 80, None)
    assert all(row.prompt_tokens > row.new_tokens >= 0 for row in verdict.pace)


def test_an_episode_ends_where_it_fails_and_the_earliest_counts() -> None:
    verdict = full("wrong_call@12")
    assert [(e.turns, e.failed, e.code) for e in verdict.episodes] == [(12, 12, "depth_drift")] * 2
    assert (verdict.turns, verdict.clean_turns, verdict.first_failure) == (24, 22, 12)


@pytest.mark.parametrize("wire", WIRES)
def test_the_raw_arm_clears_the_model(wire: str) -> None:
    """The parser spoils the arguments, silently: only the raw text shows that the model is right."""
    verdict = full("wrong_arguments", wire=wire)
    (found,) = [f for f in verdict.findings if f.severity == "F" and f.scenario == "golden"]
    assert (found.code, found.culprit) == ("wrong_call", "parser")
    assert "the raw text of the model holds the right call" in found.text


def test_the_raw_arm_convicts_the_model() -> None:
    verdict = full("wrong_call")
    assert told(verdict) == [("wrong_call", "model_or_quantization", "F")]


def test_where_there_is_no_raw_arm_the_verdict_says_so() -> None:
    assert full(render=None).skipped == ("raw arm: the chat template is not at hand",)
    other = drive(Style(), "full", wire="<of no family>", parameters=TWO)[0]
    assert other.skipped == ("raw arm: unknown format",)


@pytest.mark.parametrize("wire", ["hermes", "gemma4", "functiongemma"])
@pytest.mark.parametrize("fault", ["hidden_text", "bare_text"])
def test_completions_that_hide_calls_clear_and_convict_nobody(fault: str, wire: str) -> None:
    verdict = full(fault, wire=wire)
    assert verdict.findings == ()
    assert verdict.skipped == ("raw arm: /v1/completions does not give what the model wrote",)


def test_context_is_told_from_depth() -> None:
    assert told(full("context_drift")) == [("context_drift", "context", "D")]
    assert told(full("depth_drift")) == [("depth_drift", "model_or_quantization", "F")]


def test_a_cold_cache_is_a_note_and_a_warm_one_is_none() -> None:
    cold, warm = full("cache_cold", prefill=0.15), full(prefill=0.15)
    assert [(f.code, f.severity) for f in cold.findings] == [("cache_cold", "N")]
    assert (cold.verdict, warm.verdict, warm.findings) == ("pass", "pass", ())


def test_a_server_that_counts_what_it_had_cached_is_taken_at_its_word_but_not_at_its_zero() -> None:
    warm, cold = full(cached=True), full("cache_cold", cached=True, prefill=0.15)
    assert all(0 < (row.cached or 0) < row.prompt_tokens for row in warm.pace)
    assert cache(warm.pace).state == "alive"
    assert [(f.code, f.severity) for f in cold.findings] == [("cache_cold", "N")]
    assert {row.cached for row in cold.pace} == {0}
