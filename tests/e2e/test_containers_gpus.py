"""A workstation with two GPUs and vLLM's image, but for GPUs and vLLM: nvidia-smi is a script, the image holds the fake
engine. Planner, docker and GPU reservations are real."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.core import containers
from tests import dockers
from tests.dockers import SMI, Dockerd
from tests.homes import Cli
from tests.line import SUPERVISORS
from tests.names import apart

pytestmark = pytest.mark.component("docker")
STACK = apart("dockgpu", "big", "small")
GPUS = {"big": ("GPU-aaaa", "GPU-bbbb"), "small": ("GPU-bbbb",)}


@pytest.fixture
def cli(docker: Dockerd, stack_cli: Cli) -> Cli:
    stack_cli.home.env["DOCKER_HOST"] = docker.host
    smi = stack_cli.home.path / "bin" / "nvidia-smi"
    smi.write_text(SMI)
    smi.chmod(0o755)
    return stack_cli


def write(cli: Cli, port: int, weights: Path, **top: Any) -> None:
    source = {"sources": {"vllm": {"path": str(weights)}}}
    stack = {
        "version": 1,
        "name": STACK,
        "endpoint": {"listen": f"127.0.0.1:{port}"},
        "models": {
            "big": source | {"gpus": [0, 1], "tensor_parallel": 2, "roles": ["default"]},
            "small": source | {"gpus": [1]},
        },
    }
    (cli.home.work / "stack.yaml").write_text(json.dumps(stack | top))


@pytest.mark.parametrize("supervisor", SUPERVISORS)
def test_each_model_gets_the_gpus_that_the_plan_gives_it(
    supervisor: str, cli: Cli, docker: Dockerd, selftest_model: Path, free_port: Callable[[], int]
) -> None:
    port = free_port()
    write(cli, port, selftest_model, supervisor=supervisor)
    up = cli("up", timeout=240)
    assert up.returncode == 0, up.stdout + up.stderr
    assert "tools verified" in up.stdout
    names = {model: containers.name(STACK, model) for model in GPUS}
    assert docker.environ(names["big"])["NVIDIA_VISIBLE_DEVICES"] == "GPU-aaaa,GPU-bbbb"
    body = {"model": "small", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    reply = httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body, timeout=120)
    assert (reply.status_code, reply.json()["model"]) == (200, "small"), reply.text
    assert docker.environ(names["small"])["NVIDIA_VISIBLE_DEVICES"] == "GPU-bbbb"
    with docker.client() as client:
        (volume,) = client.volumes.list(filters={"label": f"stack.name={STACK}"})
        down = cli("down", "--uninstall")
        assert down.returncode == 0, down.stderr
        assert docker.containers(STACK) == []
        assert volume.name not in [one.name for one in client.volumes.list()]


def test_the_plan_names_the_image_and_the_gpus(cli: Cli, selftest_model: Path, free_port: Callable[[], int]) -> None:
    write(cli, free_port(), selftest_model)
    plan = json.loads(cli("plan", "--json").stdout)
    found = {launch["model"]: launch["how"] for launch in plan["launches"]}
    assert {one["image"] for one in found.values()} == {dockers.VLLM_IMAGE}
    assert {model: tuple(one["gpus"]) for model, one in found.items()} == GPUS
