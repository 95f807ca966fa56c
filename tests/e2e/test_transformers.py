"""A real `transformers serve` on the self-test model: `make test-vllm`, not in the default run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import openai
import pytest

from orchestrator.core.dialogue.setup import Size
from tests import served
from tests.homes import Cli, Home
from tests.line import Line
from tests.names import apart

pytestmark = [pytest.mark.heavy, pytest.mark.component("transformers"), pytest.mark.timeout(1200)]


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


def test_up_warns_of_its_tools_and_chat_works(
    require: Callable[[str], Path], stack_cli: Cli, selftest_model: Path, free_port: Callable[[], int]
) -> None:
    """`probe: {tools: warn}`: exit 0, the finding said, its own name is not public."""
    top = {
        "name": apart("transformers"),
        "probe": {"tools": "warn", "budget": 600},
        "backends": {"transformers": {"engine": {"bin": str(require("transformers"))}}},
    }
    line = Line.up(stack_cli, free_port(), "transformers", selftest_model, "embedded", top=top, timeout=600)
    model = line.status()["models"][0]
    assert (model["state"], model["tools"]) == ("ready", "failed")
    with openai.OpenAI(base_url=line.url, api_key="none", max_retries=0) as client:
        said = client.chat.completions.create(
            model="selftest", messages=[{"role": "user", "content": "hello"}], max_tokens=24
        )
        assert said.choices[0].message.content
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(str(selftest_model))
    done = stack_cli("probe", "selftest", "--tier", "quick", "--json", timeout=600)
    told = {finding["code"]: finding["culprit"] for finding in json.loads(done.stdout)["findings"]}
    assert (done.returncode, told["no_done"]) == (6, "server")
