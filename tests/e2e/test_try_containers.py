"""`stack try` on a container: beside the one that runs, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core import containers
from tests import dockers
from tests.dockers import Dockerd
from tests.gateways import eventually
from tests.homes import Cli

pytestmark = [
    pytest.mark.component("docker"),
    pytest.mark.component("llama-server"),
    pytest.mark.usefixtures("one_try"),
]
STACK = f"docktry-{os.getpid()}"
NAME = containers.name(STACK, "selftest")
TRIED = containers.name(STACK, "@try/selftest")


def test_it_runs_beside_the_present_one_and_leaves_nothing(
    docker: Dockerd, stack_cli: Cli, selftest_gguf: Path, free_port: Callable[[], int]
) -> None:
    stack_cli.home.env["DOCKER_HOST"] = docker.host
    source: dict[str, Any] = {"path": str(selftest_gguf), "engine": {"image": dockers.LLAMA_IMAGE}}
    stack: dict[str, Any] = {
        "version": 1,
        "name": STACK,
        "endpoint": {"listen": f"127.0.0.1:{free_port()}"},
        "models": {"selftest": {"sources": {"llama-cpp": source}, "context": 8192}},
    }
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps(stack))
    up = stack_cli("up", timeout=240)
    assert up.returncode == 0, up.stderr
    done = stack_cli("try", "selftest", "--tier", "quick", "--json", "--", "--threads", "1", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["a"]["verdict"], told["b"]["verdict"], told["tried"]["instead"]) == ("pass", "pass", False)
    assert docker.containers(STACK) == [NAME]
    failed = stack_cli("try", "selftest", "--tier", "quick", "--", "--threads", "many")
    assert (failed.returncode, "stack: llama-cpp exited with 1" in failed.stderr) == (5, True), failed.stderr
    assert docker.containers(STACK) == [NAME]

    going = stack_cli.start("try", "selftest", "--", "--threads", "1")
    eventually(lambda: TRIED in docker.containers(STACK))
    os.kill(going.process.pid, signal.SIGKILL)
    going.process.wait(10)
    assert stack_cli("up").returncode == 0
    assert docker.containers(STACK) == [NAME]

    source["engine"] = {"image": "nobody/nothing:b1"}
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps(stack))
    missing = stack_cli("try", "selftest", "--tier", "quick", "--", "--threads", "1")
    assert (missing.returncode, "docker has no image nobody/nothing:b1" in missing.stderr) == (4, True), missing.stderr
    assert docker.containers(STACK) == [NAME]
