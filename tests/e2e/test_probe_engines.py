"""The probe on real engines: a healthy one is not accused; of one set up wrongly, culprit and mend are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.core.dialogue.setup import Size
from tests import served
from tests.components import REPOSITORY
from tests.homes import Home


@pytest.mark.component("vllm-mlx")
@pytest.mark.parametrize("parser", ["mistral", "qwen3_xml"])
def test_a_parser_that_does_not_fit_is_named_with_the_right_one(
    parser: str,
    require: Callable[[str], Path],
    stack_home: Home,
    selftest_model: Path,
    free_port: Callable[[], int],
) -> None:
    """vllm-mlx rescues calls that its parser does not know, but only when it does not stream."""
    port = free_port()
    argv = [str(require("vllm-mlx")), "serve", str(selftest_model), "--served-model-name", "tiny"]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--continuous-batching"]
    argv += ["--enable-auto-tool-choice", "--tool-call-parser", parser]
    with served.running(argv, stack_home, port) as url:
        verdict = served.probed(url, selftest_model)
    found = verdict.findings[0]
    assert (verdict.verdict, found.code, found.culprit) == ("fail", "mismatch_masked", "parser")
    assert "vllm-mlx: hermes" in found.mend


@dataclass(frozen=True)
class Healthy:
    """serve: the words after the executable; model: the name that it answers to; notes: what it does otherwise."""

    serve: tuple[str, ...]
    model: str
    notes: frozenset[str]


MODEL = REPOSITORY / "models" / "selftest"
PARSER = ("--continuous-batching", "--enable-auto-tool-choice", "--tool-call-parser", "hermes")
SLOTS = ("--jinja", "-c", "32768", "-np", "2", "-t", "1")
IGNORES = frozenset({"required_ignored", "named_ignored"})
HEALTHY = {
    "mlx-lm": Healthy(("--model", str(MODEL)), str(MODEL), IGNORES | {"none_ignored", "fidelity_lost"}),
    "vllm-mlx": Healthy(
        ("serve", str(MODEL), "--served-model-name", "tiny", *PARSER), "tiny", IGNORES | {"finish_repeated"}
    ),
    "llama-server": Healthy(
        ("-m", str(MODEL / "selftest.gguf"), "-a", "tiny", *SLOTS), "tiny", frozenset({"named_ignored", "none_ignored"})
    ),
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.component(name)) for name in HEALTHY])
def test_a_healthy_engine_is_not_accused_and_what_it_does_otherwise_is_a_note(
    name: str, require: Callable[[str], Path], stack_home: Home, free_port: Callable[[], int]
) -> None:
    """All arms of the full tier, on one walk (docs/probe.md, "Real engines")."""
    port, engine = free_port(), HEALTHY[name]
    argv = [str(require(name)), *engine.serve, "--host", "127.0.0.1", "--port", str(port)]
    with served.running(argv, stack_home, port) as url:
        verdict = served.probed(url, MODEL, engine.model, Size(tier="full", episodes=1))
    assert (verdict.verdict, verdict.turns, verdict.clean_turns) == ("pass", 40, 40), verdict.findings
    assert {found.code for found in verdict.findings} == engine.notes
    assert {found.severity for found in verdict.findings} == {"N"}
