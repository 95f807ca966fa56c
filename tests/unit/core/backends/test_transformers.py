"""transformers serve's launch: its own name, the gateway's limit, one device."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.host import Engine, Gpu, Host
from orchestrator.core.launch import Process
from orchestrator.core.plan import Plan
from orchestrator.errors import PlanError
from tests.planned import GIB, after, linux, mac, planned, said, stack

ENGINE = {"transformers": Engine("/opt/transformers", "5.23.0", "PATH")}


def plan(host: Host | None = None, **model: Any) -> Plan:
    source = model.pop("source", {"path": "/w/tiny"})
    made = stack({"m": {"sources": {"transformers": source}, **model}})
    return planned(made, host or linux(engines=ENGINE))


def test_it_answers_to_its_path_alone_and_stops_at_1024_tokens_unless_told() -> None:
    made = plan()
    (launch,) = made.launches
    assert isinstance(launch.how, Process)
    assert launch.how.argv[:3] == ("/opt/transformers", "serve", "/w/tiny")
    assert launch.served_name == "/w/tiny"
    assert (launch.serving.max_tokens, said(made, "m", "max_tokens")[0]) == (4096, "4096")
    assert {"/v1/chat/completions", "/v1/responses"} <= {*launch.limits}
    assert launch.native == ("/v1/completions", "/v1/responses")


def test_the_plan_says_what_its_tools_lack() -> None:
    made = plan()
    assert made.launches[0].tools.tool_parser == "auto"
    assert made.warnings == (
        "m: transformers serve ends its streams without [DONE], so that its tool path fails the probe",
    )
    assert plan(capabilities=["chat"]).warnings == ()


@pytest.mark.parametrize(("host", "device"), [(linux(engines=ENGINE), "cpu"), (mac(engines=ENGINE), "mps")])
def test_the_device_is_the_pools(host: Host, device: str) -> None:
    assert after(plan(host).launches[0].how.argv, "--device") == device  # type: ignore[union-attr]


def test_one_gpu() -> None:
    gpus = tuple(Gpu(i, f"GPU-{i}", "card", 24 * GIB) for i in range(2))
    host = replace(linux(engines=ENGINE), gpus=gpus)
    (launch,) = plan(host, gpus=[1]).launches
    assert after(launch.how.argv, "--device") == "cuda:0"  # type: ignore[union-attr]
    assert dict(launch.env)["CUDA_VISIBLE_DEVICES"] == "GPU-1"
    with pytest.raises(PlanError) as caught:
        plan(host, gpus=[0, 1])
    assert "runs on one GPU" in caught.value.problems[0].text


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ({"source": {"path": "/w/m.gguf"}}, "GGUF"),
        ({"memory": {"kv_dtype": "q8"}}, "no q8 KV cache"),
        ({"parsers": {"tool": "hermes"}}, "takes no parser by name"),
        ({"capabilities": ["embed"]}, "not used for embed"),
    ],
)
def test_what_it_cannot_do(model: dict[str, Any], why: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan(**model)
    assert why in caught.value.problems[0].text
