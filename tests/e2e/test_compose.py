"""`stack up --target compose` on a real docker: the self-test model on a real llama-server, the gateway in the image of
our own Dockerfile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from orchestrator.core import containers
from orchestrator.edge.run import docker_api
from tests import dockers, gateway_images
from tests.dockers import SMI, Dockerd
from tests.homes import Cli
from tests.line import Line
from tests.names import apart

pytestmark = [pytest.mark.component("docker", "compose", "llama-server"), pytest.mark.timeout(600)]
STACK = apart("comp", "other")
ENGINE = containers.name(STACK, "selftest")
GATEWAY = f"stack-{STACK}-gateway"
FETCH = "import urllib.request; print(urllib.request.urlopen('{url}', timeout=10).read().decode())"
SLOW = 400
"""Seconds: the gateway's image is built on the first `up`."""


@pytest.fixture(scope="module")
def based(dockerd: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Dockerd:
    if not dockerd.running:
        dockerd.start()
    with dockerd.client() as client:
        gateway_images.import_base(client, tmp_path_factory.mktemp("base") / "base.tar")
    return dockerd


@pytest.fixture
def cli(based: Dockerd, docker: Dockerd, stack_cli: Cli, require: Callable[[str], Path]) -> Cli:
    """With compose as the plugin of this home's docker; no engine but those in images."""
    (stack_cli.home.path / "bin" / "llama-server").unlink(missing_ok=True)
    stack_cli.home.env["DOCKER_HOST"] = docker.host
    plugin = stack_cli.home.path / ".docker" / "cli-plugins" / "docker-compose"
    plugin.parent.mkdir(parents=True)
    plugin.symlink_to(require("compose"))
    return stack_cli


@pytest.fixture
def write(cli: Cli, selftest_gguf: Path, free_port: Callable[[], int]) -> Callable[..., int]:
    """`write(aliases=[...], top={...})` writes stack.yaml; the endpoint's port, always the same."""
    port = free_port()

    def one(*, top: dict[str, Any] | None = None, **model: Any) -> int:
        source = {"llama-cpp": {"path": str(selftest_gguf), "engine": {"image": dockers.LLAMA_IMAGE}}}
        shape = {"sources": source, "roles": ["default"], "serve": {"concurrency": 4}} | model
        stack = {
            "version": 1,
            "name": STACK,
            "endpoint": {"listen": f"127.0.0.1:{port}"},
            "models": {"selftest": shape},
        }
        (cli.home.work / "stack.yaml").write_text(json.dumps(stack | (top or {})))
        return port

    return one


@pytest.fixture
def line(cli: Cli, write: Callable[..., int], docker: Dockerd) -> Iterator[Line]:
    port = write()
    up(cli)
    yield Line(cli, f"http://127.0.0.1:{port}/v1")
    if not docker.running:
        docker.start()
    assert cli("down").returncode == 0
    assert docker.containers(STACK) == []


def up(cli: Cli, code: int = 0) -> str:
    done = cli("up", "--target", "compose", timeout=SLOW)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    return said


def ids(docker: Dockerd) -> dict[str, tuple[str, str]]:
    """Container's name -> (id, when it started)."""
    with docker.client() as client:
        found = client.containers.list(all=True, filters={"label": f"stack.name={STACK}"})
        return {one.name: (one.id, one.attrs["State"]["StartedAt"]) for one in found}


def health(docker: Dockerd, name: str) -> str:
    with docker.client() as client:
        state = client.containers.get(name).attrs["State"]
        return f"{state['Status']} {(state.get('Health') or {}).get('Status')}"


def until(what: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_forty_turns_through_the_containers_and_a_second_up_changes_nothing(line: Line, docker: Dockerd) -> None:
    before = ids(docker)
    assert set(before) == {ENGINE, GATEWAY}
    status = line.status()
    assert (status["ready"], status["manager"], status["models"][0]["owner"]) == (True, "compose", "compose")
    line.forty_clean_turns()
    line.openai_client()
    with docker.client() as client:  # as the companions do
        url = line.url.replace("127.0.0.1", "gateway")
        asked = client.containers.get(ENGINE).exec_run([dockers.PYTHON, "-c", FETCH.format(url=f"{url}/models")])
    assert (asked.exit_code, b'"selftest"' in asked.output) == (0, True), asked.output
    until(lambda: health(docker, ENGINE) == "running healthy")
    until(lambda: health(docker, GATEWAY) == "running healthy")
    assert "nothing to change" in up(line.cli)
    assert ids(docker) == before
    assert "slot" in line.cli("logs", "selftest").stdout
    assert line.cli("logs").returncode == 0
    told = [json.loads(text)["line"] for text in line.cli("logs", "selftest", "-n", "3", "--json").stdout.splitlines()]
    assert len(told) == 3


def test_a_killed_engine_comes_back_and_a_new_alias_changes_the_gateway_alone(
    line: Line, docker: Dockerd, write: Callable[..., int]
) -> None:
    before = ids(docker)
    with docker.client() as client:
        os.kill(client.containers.get(ENGINE).attrs["State"]["Pid"], signal.SIGKILL)
    until(lambda: ids(docker)[ENGINE][1] != before[ENGINE][1] and health(docker, ENGINE) == "running healthy")
    line.openai_client()
    killed = ids(docker)
    assert {name: key for name, (key, _) in killed.items()} == {name: key for name, (key, _) in before.items()}
    write(aliases=["little"])
    rows = {row["subject"]: row for row in json.loads(line.cli("plan", "--diff", "--json").stdout)["rows"]}
    (file,) = (row for subject, row in rows.items() if subject.endswith("compose.yaml"))
    assert (rows["selftest"]["action"], rows["gateway"]["action"], file["action"]) == ("unchanged", "restart", "write")
    assert file["lines"], "what differs in it"
    up(line.cli)
    after = ids(docker)
    assert after[ENGINE] == killed[ENGINE]
    assert after[GATEWAY][0] != killed[GATEWAY][0]
    assert chat(line.url, "little").status_code == 200
    compose = line.cli.home.state / STACK / "artifacts" / "compose" / "compose.yaml"
    compose.write_text(compose.read_text() + "# by hand\n")
    assert "edited by hand" in up(line.cli, 8)
    assert ids(docker) == after


def chat(url: str, model: str, key: str = "") -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.post(f"{url}/chat/completions", json=body, headers=headers, timeout=120, trust_env=False)


def test_what_docker_restarts_by_itself_is_a_stack_that_serves(line: Line, docker: Dockerd) -> None:
    """As after a reboot: nobody types anything."""
    docker.stop()
    said = up(line.cli, 4)
    assert f"docker does not answer at {docker.host}" in said
    docker.start()
    until(lambda: line.cli("status", "--json").returncode == 0 and line.status()["ready"])
    assert chat(line.url, "selftest").status_code == 200


def test_verbs_speak_to_the_container(line: Line, docker: Dockerd) -> None:
    before = ids(docker)
    assert line.cli("unload", "selftest").returncode == 0
    assert health(docker, ENGINE).startswith("exited")
    assert line.cli("load", "selftest").returncode == 0
    assert line.cli("restart", "selftest").returncode == 0
    until(lambda: health(docker, ENGINE) == "running healthy")
    until(lambda: chat(line.url, "selftest").status_code == 200)
    after = ids(docker)
    assert (after[ENGINE][0], after[GATEWAY]) == (before[ENGINE][0], before[GATEWAY])


def test_a_key_is_a_secret_of_compose_and_nowhere_else(
    cli: Cli, write: Callable[..., int], docker: Dockerd, selftest_gguf: Path
) -> None:
    file = cli.home.work / "team.key"
    file.write_text("sk-very-secret\n")
    file.chmod(0o600)
    keys = {"keys": {"team": {"file": str(file)}}}
    port = write()
    write(top={"endpoint": {"listen": [f"127.0.0.1:{port}", f"[::1]:{port}"]} | keys})
    up(cli)
    url = f"http://127.0.0.1:{port}/v1"
    assert (chat(url, "selftest").status_code, chat(url, "selftest", "sk-very-secret").status_code) == (401, 200)
    with docker.client() as client:
        shown = json.dumps([one.attrs for one in client.containers.list(all=True)])
    files = [path for path in (cli.home.state / STACK).rglob("*") if path.is_file()]
    assert "sk-very-secret" not in shown + "".join(path.read_text(errors="replace") for path in files)
    write(top={"endpoint": {"listen": f"127.0.0.1:{port}", "keys": {"team": {"env": "TEAM_KEY"}}}})
    done = cli("up", "--target", "compose", env={"TEAM_KEY": "x"})
    assert done.returncode == 3, done.stderr
    assert "endpoint.keys.team" in done.stderr
    assert "{file: PATH}" in done.stderr
    assert cli("down").returncode == 0


def test_beyond_loopback_it_is_published_with_a_key_only(cli: Cli, write: Callable[..., int], docker: Dockerd) -> None:
    port = write()
    outside = next(
        address.address
        for name, addresses in psutil.net_if_addrs().items()
        for address in addresses
        if address.family == socket.AF_INET and name != "lo"
    )
    write(top={"endpoint": {"listen": f"0.0.0.0:{port}"}})
    refused = cli("up", "--target", "compose")
    assert (refused.returncode, "endpoint.listen" in refused.stderr) == (3, True), refused.stderr
    assert docker.containers(STACK) == []
    file = cli.home.work / "team.key"
    file.write_text("sk-outside\n")
    file.chmod(0o600)
    write(top={"endpoint": {"listen": f"0.0.0.0:{port}", "keys": {"team": {"file": str(file)}}}})
    up(cli)
    url = f"http://{outside}:{port}/v1"
    assert (chat(url, "selftest").status_code, chat(url, "selftest", "sk-outside").status_code) == (401, 200)
    assert cli("down").returncode == 0


def test_what_is_half_there_is_uninstalled_and_without_docker_nothing_is_lost(
    cli: Cli, write: Callable[..., int], docker: Dockerd
) -> None:
    write()
    up(cli)
    state = cli.home.state / STACK
    docker.stop()
    away = cli("down", "--uninstall")
    assert (away.returncode, "docker does not answer" in away.stderr) == (5, True), away.stderr
    assert (state / "plan.json").exists()
    docker.start()
    with docker.client() as client:
        client.containers.get(GATEWAY).remove(force=True)
    (state / "artifacts" / "compose" / "compose.yaml").unlink()
    done = cli("down", "--uninstall")
    assert done.returncode == 0, done.stderr
    assert not state.exists()
    assert docker.containers(STACK) == []
    with docker.client() as client:
        assert [one.name for one in client.networks.list() if STACK in one.name] == []


def test_a_volume_that_another_container_uses_stays(docker: Dockerd, based: Dockerd) -> None:
    """Stacks share the volume of vLLM's compiled code."""
    with docker.client() as client:
        client.volumes.create("shared", labels={"stack.test": "yes"})
        user = client.containers.create(dockers.IMAGE, "none", volumes={"shared": {"bind": "/v"}})
        docker_api.remove_volumes(client, "stack.test=yes")
        assert [one.name for one in client.volumes.list()] == ["shared"]
        user.remove()
        docker_api.remove_volumes(client, "stack.test=yes")
        assert client.volumes.list() == []


def test_an_engine_that_ends_again_and_again_is_an_error_at_once(
    cli: Cli, write: Callable[..., int], docker: Dockerd
) -> None:
    write(serve={"unchecked_args": ["--no-such-flag"]})
    said = up(cli, 5)
    assert "selftest: its container ends again and again" in said
    assert "no-such-flag" in said
    assert cli("down").returncode == 0


def test_a_port_that_another_container_has_is_named(cli: Cli, write: Callable[..., int], docker: Dockerd) -> None:
    port = write()
    with docker.client() as client:
        argv = [dockers.PYTHON, "-u", dockers.FAKE, "--host", "0.0.0.0", "--port", "8000"]
        client.containers.run(dockers.IMAGE, argv, ports={"8000/tcp": ("127.0.0.1", port)}, name="other", detach=True)
        assert f"port {port} for gateway is taken by the container other" in up(cli, 5)
        client.containers.get("other").remove(force=True)
        client.containers.create(dockers.IMAGE, argv, name=ENGINE)
        said = up(cli, 5)
        assert f"there is a container {ENGINE} already, and it is not ours" in said
        client.containers.get(ENGINE).remove(force=True)


def test_a_missing_image_is_pulled_and_that_fails_without_a_network(
    cli: Cli, write: Callable[..., int], selftest_gguf: Path
) -> None:
    source = {"path": str(selftest_gguf), "engine": {"image": "localhost:1/nobody/nothing:b1"}}
    write(sources={"llama-cpp": source})
    said = up(cli, 4)
    assert "docker has no image localhost:1/nobody/nothing:b1, and cannot pull it" in said
    assert "docker pull localhost:1/nobody/nothing:b1" in said


def test_a_docker_without_compose_says_what_to_install(cli: Cli, write: Callable[..., int]) -> None:
    write()
    docker = cli.home.path / "bin" / "docker"
    docker.write_text(f'#!/bin/sh\n[ "$1" != compose ] || exit 1\nexec {shutil.which("docker")} "$@"\n')
    docker.chmod(0o755)
    done = cli("up", "--target", "compose", env={"PATH": f"{docker.parent}:/usr/bin:/bin"})
    assert done.returncode == 4, done.stderr
    assert "docker has no compose plugin of version 2 here" in done.stderr
    assert "docker-compose-plugin" in done.stderr


def everything(docker: Dockerd, home: Path) -> dict[str, list[str]]:
    """What docker and this home hold. Folders that hold nothing are left out."""
    with docker.client() as client:
        return {
            "containers": sorted(one.name for one in client.containers.list(all=True)),
            "networks": sorted(one.name for one in client.networks.list()),
            "volumes": sorted(one.name for one in client.volumes.list()),
            "tags": sorted(tag for one in client.images.list() for tag in one.tags),
            "files": sorted(str(path) for path in home.rglob("*") if path.is_file() and "/run-" not in str(path)),
        }


def test_nothing_is_left_of_it_after_an_uninstall(cli: Cli, write: Callable[..., int], docker: Dockerd) -> None:
    write()
    assert cli("plan").returncode == 0  # what is found out about engines is kept in the user's cache
    with docker.client() as client:  # other tests of this module have built it
        for tag in (tag for one in client.images.list("stack-gateway") for tag in one.tags):
            client.images.remove(tag)
    before = everything(docker, cli.home.path)
    up(cli)
    during = everything(docker, cli.home.path)
    assert all(set(before[kind]) < set(during[kind]) for kind in ("containers", "networks", "tags", "files"))
    assert cli("down").returncode == 0
    kept = everything(docker, cli.home.path)
    assert (kept["containers"], kept["networks"]) == (before["containers"], before["networks"])
    up(cli)
    down = cli("down", "--uninstall")
    assert down.returncode == 0, down.stderr
    assert everything(docker, cli.home.path) == before
    again = cli("down", "--uninstall")
    assert again.returncode == 0, again.stderr


GPUS = apart("compgpu", "big", "small")


def test_each_model_gets_its_gpus_and_a_docker_without_them_says_so(
    cli: Cli, docker: Dockerd, selftest_model: Path, free_port: Callable[[], int]
) -> None:
    """nvidia-smi is a script, vLLM's image holds the fake engine; planner, compose and reservations are real."""
    smi = cli.home.path / "bin" / "nvidia-smi"
    smi.write_text(SMI)
    smi.chmod(0o755)
    source = {"sources": {"vllm": {"path": str(selftest_model)}}}
    models = {
        "big": source | {"gpus": [0, 1], "tensor_parallel": 2, "roles": ["default"]},
        "small": source | {"gpus": [1]},
    }
    stack = {"version": 1, "name": GPUS, "endpoint": {"listen": f"127.0.0.1:{free_port()}"}, "models": models}
    (cli.home.work / "stack.yaml").write_text(json.dumps(stack))
    docker.stop()
    docker.start(gpus=False)
    said = up(cli, 4)
    assert "docker cannot give GPUs to containers" in said
    assert "nvidia-container-toolkit" in said
    docker.stop()
    docker.start()
    up(cli)
    seen = {model: docker.environ(containers.name(GPUS, model))["NVIDIA_VISIBLE_DEVICES"] for model in models}
    assert seen == {"big": "GPU-aaaa,GPU-bbbb", "small": "GPU-bbbb"}
    models["small"]["gpus"] = [2]
    (cli.home.work / "stack.yaml").write_text(json.dumps(stack))
    assert "models.small.gpus" in up(cli, 4)
    down = cli("down", "--uninstall")
    assert down.returncode == 0, down.stderr
    with docker.client() as client:
        assert client.volumes.list(filters={"label": f"stack.name={GPUS}"}) == []
