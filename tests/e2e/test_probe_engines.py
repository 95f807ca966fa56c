"""The probe on real engines that were set up wrongly: the culprit and the mend must be right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import served
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
