"""The probe on real engines that were set up wrongly: the culprit and the mend must be right."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from orchestrator.core.dialogue.findings import Verdict
from orchestrator.edge.probe import runner as probing
from tests.homes import Home

START_S = 120.0


@contextlib.contextmanager
def running(argv: list[str], home: Home, port: int) -> Iterator[str]:
    """The API root of an engine, once it listens."""
    log = (home.work / "engine.log").open("wb")
    with log, subprocess.Popen(argv, env=home.env, stdout=log, stderr=log, cwd=home.work) as process:
        try:
            ends = time.monotonic() + START_S
            while time.monotonic() < ends and process.poll() is None:
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                        break
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def probed(url: str, model: Path) -> Verdict:
    target = probing.Target(url, "tiny", wire="<tool_call>{json}")
    return asyncio.run(probing.probe(target, "quick", parameters=probing.read_parameters(model)))


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
    with running(argv, stack_home, port) as url:
        verdict = probed(url, selftest_model)
    found = verdict.findings[0]
    assert (verdict.verdict, found.code, found.culprit) == ("fail", "mismatch_masked", "parser")
    assert "vllm-mlx: hermes" in found.mend
