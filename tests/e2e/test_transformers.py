"""A real `transformers serve` on the self-test model: `make test-vllm`, not in the default run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.core.dialogue.setup import Size
from tests import served
from tests.homes import Home

pytestmark = [pytest.mark.heavy, pytest.mark.component("transformers")]


def test_what_it_does_otherwise_comes_out_as_findings(
    require: Callable[[str], Path], stack_home: Home, selftest_model: Path, free_port: Callable[[], int]
) -> None:
    """transformers 5.23: no [DONE]; a malformed call is a 500; tool_choice is ignored."""
    port = free_port()
    argv = [str(require("transformers")), "serve", str(selftest_model)]
    argv += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with served.running(argv, stack_home, port, {"HF_HUB_OFFLINE": "1"}) as url:
        verdict = served.probed(url, selftest_model, name=str(selftest_model), size=Size(tier="standard"))
    told = {f.code: f.culprit for f in verdict.findings}
    assert verdict.verdict == "fail"
    assert told.items() >= {"no_done": "server", "http_error": "server"}.items(), verdict.findings
    assert {"required_ignored", "named_ignored", "none_ignored"} <= told.keys()
    assert set(told.values()) == {"server"}
