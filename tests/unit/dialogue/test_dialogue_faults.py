"""Every fault of the fake engine is named by its code and its culprit, alone, and nothing else is."""

from __future__ import annotations

import contextlib

import pytest

from orchestrator.core.backend import Can
from orchestrator.core.dialogue.ask import Log
from orchestrator.core.dialogue.codes import TABLE, Code
from orchestrator.core.dialogue.conclude import conclude
from orchestrator.core.dialogue.setup import Setup
from orchestrator.core.dialogue.tiers import TIERS, dialogue
from tests.unit.dialogue.driver import FAULTS, HERMES, Style, answered, drive, told

NOTES = {"required_ignored", "named_ignored", "none_ignored"}
FULL = {"context_drift", "cache_cold", "hidden_text", "bare_text"}
KIMI = {"id_format"}
REFUSED = {"required_refused"}
ODD = {
    "wrong_arguments": [("wrong_call", "model_or_quantization", "F")],
    "id_empty": [("id_rejected", "template_or_history", "D")],
    "invalid_utf8": [("bad_json", "server", "F")],
    "no_call": [("no_call", "model_or_quantization", "F")],
}


@pytest.mark.parametrize("tier", ["quick", "standard"])
@pytest.mark.parametrize("fault", sorted(set(FAULTS) - NOTES - FULL - KIMI - REFUSED))
def test_each_fault_is_named_alone(fault: str, tier: str) -> None:
    verdict, _ = drive(Style(fault=fault), tier)  # type: ignore[arg-type]
    row = TABLE[Code(fault)] if fault not in ODD else None
    assert told(verdict) == (ODD[fault] if row is None else [(fault, row.culprit.value, row.severity)])
    assert verdict.verdict == ("fail" if told(verdict)[0][2] == "F" else "degraded")


@pytest.mark.parametrize("tier", ["quick", "standard"])
def test_ids_of_another_format_are_named_where_the_template_wants_kimis(tier: str) -> None:
    verdict, _ = drive(Style(fault="id_format"), tier, wire="<|tool_calls_section_begin|>")  # type: ignore[arg-type]
    assert told(verdict) == [("id_format", "server", "D")]


@pytest.mark.parametrize("fault", sorted(NOTES))
def test_a_missing_capability_is_a_note(fault: str) -> None:
    verdict, _ = drive(Style(fault=fault))
    assert (verdict.verdict, [f.code for f in verdict.findings]) == ("pass", [fault])


@pytest.mark.parametrize("fault", ["required_ignored", "named_ignored"])
def test_a_capability_that_the_engine_claims_degrades(fault: str) -> None:
    assert told(drive(Style(fault=fault), can=Can())[0]) == [(fault, "server", "D")]
    assert told(drive(Style(fault=fault), can=Can(required="ignored", named="prompt only"))[0]) == []


def test_a_refused_choice_is_a_note_though_its_stream_holds_an_error() -> None:
    """The 200 of a stream is out before the engine knows: the same request not streamed is the proof of a refusal."""
    verdict, log = drive(Style(fault="required_refused"))
    assert [(f.code, f.severity, f.streamed) for f in verdict.findings] == [("required_ignored", "N", False)]
    assert verdict.verdict == "pass"
    assert "refused with HTTP 422" in verdict.findings[0].text
    assert [turn.ok for turn in log.turns if turn.scenario == "required"] == [False, False]
    claimed = drive(Style(fault="required_refused"), can=Can())[0]
    assert told(claimed) == [("required_ignored", "server", "D")]


def test_an_error_in_the_stream_alone_is_no_refusal() -> None:
    verdict, _ = drive(Style(fault="required_refused:streamed"))
    assert told(verdict) == [("error_in_body", "server", "F")]


STREAMED = (
    "markup_in_content",
    "silent_drop",
    "finish_without_calls",
    "double_encoded",
    "name_corrupted",
    "wrong_call",
)


@pytest.mark.parametrize("fault", STREAMED)
def test_what_fails_only_streamed_is_the_stream_parser(fault: str) -> None:
    """The whole envelope as text, streamed only, cannot be told from a parser mismatch that a fallback masks."""
    verdict, _ = drive(Style(fault=f"{fault}:streamed"))
    masked = [("mismatch_masked", "parser", "F")]
    assert told(verdict) == (masked if fault == "markup_in_content" else [("stream_differs", "stream_parser", "F")])


@pytest.mark.parametrize("turn", [2, 3, 6])
@pytest.mark.parametrize("fault", ["markup_in_content", "silent_drop", "double_encoded", "name_corrupted", "no_done"])
def test_a_fault_that_begins_at_a_turn_is_still_named(fault: str, turn: int) -> None:
    verdict, _ = drive(Style(fault=f"{fault}@{turn}"), "standard")
    row = TABLE[Code(fault)]
    assert told(verdict) == [(fault, row.culprit.value, row.severity)]
    assert verdict.first_failure in (turn, turn + 1)


@pytest.mark.parametrize(("turn", "severity"), [(4, "F"), (19, "F"), (20, "D"), (33, "D")])
def test_drift_fails_before_turn_20_and_degrades_after(turn: int, severity: str) -> None:
    verdict, _ = drive(Style(fault=f"wrong_call@{turn}"), "standard")
    assert told(verdict) == [("depth_drift", "model_or_quantization", severity)]
    assert (verdict.first_failure, verdict.turns, verdict.clean_turns) == (turn, turn, turn - 1)


def test_the_same_from_another_template_is_the_models_own() -> None:
    verdict, _ = drive(Style(fault="markup_in_content"), wire="[TOOL_CALLS]")
    assert told(verdict) == [("markup_in_content", "model_or_quantization", "F")]


def test_a_mend_names_the_parser() -> None:
    verdict, _ = drive(Style(fault="markup_in_content"), wire="")
    assert "vllm: hermes, vllm-mlx: hermes" in verdict.findings[0].mend


def test_a_mend_names_the_parser_that_was_set_where_the_stack_knows_it() -> None:
    wrong = drive(Style(fault="markup_in_content"), backend="vllm", parser="mistral")[0]
    assert wrong.findings[0].mend == "parsers: {tool: hermes} reads <tool_call>{json} on vllm; it was mistral"
    right = drive(Style(fault="markup_in_content"), backend="vllm", parser="hermes")[0]
    assert "it was" not in right.findings[0].mend


def test_the_first_failure_has_its_transcript_and_evidence() -> None:
    verdict, _ = drive(Style(fault="wrong_call@5"), "quick")
    assert verdict.first_failure == 5
    assert [m["role"] for m in verdict.transcript[:3]] == ["user", "assistant", "tool"]
    assert "wrong-word-00" in str(verdict.transcript[-1])
    found = verdict.findings[0]
    assert found.evidence["status"] == 200
    assert "wrong-word-00" in found.evidence["reply"]
    assert '"role": "tool"' in found.evidence["request"]


def test_a_server_that_never_answers_is_given_up() -> None:
    verdict, log = drive(Style(fault="deadline"), "standard")
    assert len(log.turns) == 2
    assert told(verdict) == [("deadline", "server", "F")]


def test_what_goes_wrong_only_once_is_unstable() -> None:
    """A free run's streamed reply is lost once and never again."""
    good, bad = Style(), Style(fault="silent_drop")
    setup, log = Setup("fake", wire=HERMES), Log()
    talk, spoilt = dialogue(setup, TIERS["quick"], log), False
    with contextlib.suppress(StopIteration):
        batch = next(talk)
        while True:
            (ask,) = batch
            now = not spoilt and ask.scenario == "free_run_8" and ask.turn == 5
            spoilt = spoilt or now
            batch = talk.send([answered(ask, bad if now else good)])
    verdict = conclude(log, "fake", "quick")
    assert told(verdict) == [("unstable", "unknown", "D")]
    assert (verdict.verdict, verdict.turns, verdict.clean_turns, verdict.first_failure) == ("degraded", 8, 7, 5)
    assert verdict.findings[0].text.startswith("not at the second try: ")
