"""A whole `stack up` on containers: llama-server in an image of its own, on a real docker, under both supervisors."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core import containers
from tests import dockers
from tests.dockers import Dockerd
from tests.homes import Cli
from tests.line import SUPERVISORS, Line
from tests.names import apart

pytestmark = [pytest.mark.component("docker"), pytest.mark.component("llama-server")]
STACK = apart("dockline")
NAME = containers.name(STACK, "selftest")


@pytest.fixture
def cli(docker: Dockerd, stack_cli: Cli) -> Cli:
    stack_cli.home.env["DOCKER_HOST"] = docker.host
    return stack_cli


def source(gguf: Path, image: str = dockers.LLAMA_IMAGE) -> dict[str, Any]:
    return {"sources": {"llama-cpp": {"path": str(gguf), "engine": {"image": image}}}}


@pytest.fixture(params=SUPERVISORS)
def line(
    request: pytest.FixtureRequest, cli: Cli, docker: Dockerd, selftest_gguf: Path, free_port: Callable[[], int]
) -> Iterator[Line]:
    top = {"name": STACK}
    yield Line.up(cli, free_port(), "llama-cpp", selftest_gguf, request.param, top=top, **source(selftest_gguf))
    assert cli("down").returncode == 0
    assert docker.containers(STACK) == []


def test_forty_turns_and_the_official_clients(line: Line, docker: Dockerd) -> None:
    assert docker.containers(STACK) == [NAME]
    line.forty_clean_turns()
    line.openai_client()
    again = line.cli("up")
    assert (again.returncode, "nothing to change" in again.stdout) == (0, True), again.stdout + again.stderr


def test_kill_9_of_the_containers_process_is_survived(line: Line) -> None:
    line.kill_9_of_the_engine_is_survived()


def test_a_killed_daemon_leaves_a_container_that_the_next_one_adopts(line: Line, docker: Dockerd) -> None:
    before = line.status()
    os.kill(before["pid"], signal.SIGKILL)
    up = line.cli("up", timeout=240)
    assert up.returncode == 0, up.stdout + up.stderr
    after = line.status()
    assert after["pid"] != before["pid"]
    assert after["models"][0]["pid"] == before["models"][0]["pid"]
    assert docker.containers(STACK) == [NAME]


def test_down_after_a_killed_daemon_leaves_no_container(line: Line, docker: Dockerd) -> None:
    os.kill(line.status()["pid"], signal.SIGKILL)
    down = line.cli("down", "--json")
    assert down.returncode == 0, down.stderr
    assert json.loads(down.stdout)["ended"] >= 1
    assert docker.containers(STACK) == []


def test_down_while_docker_is_away_says_what_may_be_left(line: Line, docker: Dockerd) -> None:
    docker.kill()
    down = line.cli("down")
    assert down.returncode == 5, down.stdout + down.stderr
    assert f"docker does not answer at {docker.host}: containers of {STACK} may be left there" in down.stderr
    docker.start()
    assert line.cli("down").returncode == 0
    assert docker.containers(STACK) == []


def write(cli: Cli, port: int, model: dict[str, Any]) -> None:
    stack = {"version": 1, "name": STACK, "endpoint": {"listen": f"127.0.0.1:{port}"}, "models": {"selftest": model}}
    (cli.home.work / "stack.yaml").write_text(json.dumps(stack))


def test_a_missing_image_and_a_stopped_docker_are_exit_4(
    cli: Cli, docker: Dockerd, selftest_gguf: Path, free_port: Callable[[], int]
) -> None:
    write(cli, free_port(), source(selftest_gguf, "nobody/nothing:b1"))
    up = cli("up")
    assert up.returncode == 4
    assert "docker has no image nobody/nothing:b1" in up.stderr
    assert "docker pull nobody/nothing:b1" in up.stderr
    docker.stop()
    up = cli("up")
    assert up.returncode == 4
    assert f"docker does not answer at {docker.host}" in up.stderr
