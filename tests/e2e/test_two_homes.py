"""Two stacks of one name, each in a home of its own, the user's: neither takes the other's engines for its own."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.dockers import LLAMA_IMAGE, Dockerd
from tests.fake_stack import FakeStack, Make
from tests.homes import Cli, private_home
from tests.line import SUPERVISORS
from tests.names import apart


@pytest.fixture
def second(
    tmp_path_factory: pytest.TempPathFactory, selftest_gguf: Path, free_port: Callable[[], int]
) -> Iterator[FakeStack]:
    with private_home(tmp_path_factory.mktemp("second")) as home:
        cli = Cli(home)
        yield FakeStack(cli, selftest_gguf, free_port(), free_port())
        assert cli.close() == []


@pytest.mark.parametrize("supervisor", SUPERVISORS)
def test_each_ends_and_adopts_its_own_alone(supervisor: str, fake_stack: Make, second: FakeStack) -> None:
    first = fake_stack(top={"supervisor": supervisor})
    second.write()
    for stack in (first, second):
        up = stack.cli("up")
        assert up.returncode == 0, up.stderr
    pids = [stack.engine_pid() for stack in (first, second)]
    first.kill(first.daemon_pid())
    assert first.cli("up").returncode == 0
    assert [stack.engine_pid() for stack in (first, second)] == pids
    first.kill(first.daemon_pid())
    assert second.cli("down").returncode == 0
    assert [stack.engine_runs() for stack in (first, second)] == [True, False]
    assert first.cli("down").returncode == 0
    assert not first.engine_runs()


@pytest.mark.component("docker", "llama-server")
@pytest.mark.parametrize("supervisor", SUPERVISORS)
def test_containers_of_another_home_are_named_and_stay(
    supervisor: str,
    docker: Dockerd,
    stack_cli: Cli,
    second: FakeStack,
    selftest_gguf: Path,
    free_port: Callable[[], int],
) -> None:
    name = apart("homes")
    for cli in (stack_cli, second.cli):
        cli.home.env["DOCKER_HOST"] = docker.host
        source = {"path": str(selftest_gguf), "engine": {"image": LLAMA_IMAGE}}
        stack = {
            "version": 1,
            "name": name,
            "endpoint": {"listen": f"127.0.0.1:{free_port()}"},
            "supervisor": supervisor,
            "models": {"selftest": {"sources": {"llama-cpp": source}, "context": 4096}},
            "probe": {"on_up": "none"},
        }
        (cli.home.work / "stack.yaml").write_text(json.dumps(stack))
    assert stack_cli("up", timeout=240).returncode == 0
    before = json.loads(stack_cli("status", "--json").stdout)
    refused = second.cli("up", timeout=240)
    assert refused.returncode == 5, refused.stdout + refused.stderr
    said = {
        "embedded": f"it is of the stacks in {stack_cli.home.state}",
        "llama-swap": "for llama-swap is taken by pid",
    }
    assert said[supervisor] in refused.stdout + refused.stderr
    assert second.cli("down").returncode == 0
    os.kill(before["pid"], signal.SIGKILL)
    assert stack_cli("up", timeout=240).returncode == 0
    after = json.loads(stack_cli("status", "--json").stdout)
    assert after["models"][0]["pid"] == before["models"][0]["pid"]
    assert stack_cli("down").returncode == 0
    assert docker.containers(name) == []
