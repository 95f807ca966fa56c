"""rapid-mlx's launch: nothing left to its own guesses, and what a CPU cannot do is off."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.host import Engine, Host
from orchestrator.core.launch import Launch, Process
from orchestrator.errors import PlanError
from tests.planned import CODER, MIB, THINKER, after, linux, mac, planned, stack, weights

ENGINE = {"rapid-mlx": Engine("/opt/rapid-mlx", "0.16.10", "PATH")}


def launched(host: Host | None = None, template: str = "", **model: Any) -> tuple[Launch, tuple[str, ...]]:
    source = model.pop("source", {"path": "/w/tiny"})
    made = stack({"m": {"sources": {"rapid-mlx": source}, **model}})
    known = {source["path"]: weights(source["path"], template=template)} if template else None
    launch = planned(made, host or linux(engines=ENGINE), known).launches[0]
    assert isinstance(launch.how, Process)
    return launch, launch.how.argv


def test_what_it_would_guess_is_said() -> None:
    launch, argv = launched(serve={"concurrency": 2}, memory={"kv": "30MiB", "kv_dtype": "q4"})
    assert argv[:3] == ("/opt/rapid-mlx", "serve", "/w/tiny")
    assert (after(argv, "--max-num-seqs"), after(argv, "--context-length")) == ("2", "8192")
    assert int(after(argv, "--cache-memory-mb")) * MIB * 3 == launch.memory[0].kv
    assert after(argv, "--kv-cache-dtype") == "int4"
    assert after(argv, "--tool-call-parser") == "hermes"
    assert {"--no-reasoning-parser", "--no-mllm"} <= {*argv}
    assert launch.ready.path == "/health/ready"
    assert launch.serving.max_tokens == int(after(argv, "--max-tokens"))


def test_parser_names_are_its_own() -> None:
    assert after(launched(template=CODER)[1], "--tool-call-parser") == "qwen3_coder_xml"
    assert after(launched(template=THINKER)[1], "--reasoning-parser") == "qwen3"
    assert "--no-tool-call-parser" in launched(capabilities=["chat"])[1]


def test_constrained_tool_calls_are_for_metal() -> None:
    env = dict(launched()[0].env)
    assert env["RAPID_MLX_CONSTRAIN_TOOLS"] == "0"
    assert (env["RAPID_MLX_TELEMETRY"], env["RAPID_MLX_DISABLE_VERSION_CHECK"]) == ("0", "1")
    assert "RAPID_MLX_CONSTRAIN_TOOLS" not in dict(launched(mac(engines=ENGINE))[0].env)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ({"source": {"path": "/w/m.gguf"}}, "GGUF"),
        ({"memory": {"kv_dtype": "fp8"}}, "no fp8 KV cache"),
        ({"capabilities": ["embed"]}, "not used for embed"),
    ],
)
def test_what_it_cannot_do(model: dict[str, Any], why: str) -> None:
    with pytest.raises(PlanError) as caught:
        launched(**model)
    assert why in caught.value.problems[0].text
