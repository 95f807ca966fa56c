"""Real engines as units of a real `systemd --user`: under both supervisors, in a container, of a user who is not root;
and any text at all through a unit to a program."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.core import containers
from orchestrator.core.plan import slug
from orchestrator.core.systemd_text import command, quoted, sayable
from tests import dockers, systemds
from tests.dockers import Dockerd
from tests.homes import Cli
from tests.line import SUPERVISORS, Line
from tests.names import apart
from tests.systemds import UserManager, answers, until

pytestmark = pytest.mark.component("systemd")
NAME = apart("units", "onmodel")
GATEWAY, SWAP = f"stack-{NAME}-gateway.service", f"stack-{NAME}-llama-swap.service"
SELFTEST = f"stack-{NAME}-{slug('selftest')}.service"
LOGIN = {"name": NAME, "service": "login"}
EVERY_CHARACTER = [
    "".join(map(chr, range(first, first + 256))).replace("\0", "")
    for first in (*range(0, 0xD800, 256), *range(0xE000, 0x11000, 256), 0x1F600, 0xE0000, 0x10FF00)
]


@pytest.mark.component("llama-server")
@pytest.mark.parametrize("supervisor", SUPERVISORS)
def test_forty_turns_and_kill_9(
    supervisor: str, systemd_cli: Cli, systemd_user: UserManager, selftest_gguf: Path, free_port: Callable[[], int]
) -> None:
    line = Line.up(systemd_cli, free_port(), "llama-cpp", selftest_gguf, supervisor, top=LOGIN)
    line.forty_clean_turns()
    (row,) = line.status()["models"]
    assert (row["owner"], row["pid"]) == ("manager", systemd_user.main_pid(SELFTEST))
    systemd_user.kill_9(row["pid"])
    until(lambda: systemd_user.main_pid(SELFTEST) not in (0, row["pid"]), "systemd did not start the engine again")
    assert answers(line.url, "selftest"), "the next request waits for it"
    assert not systemd_user.main_pid(SWAP), "nothing is on demand"
    systemd_user.kill_9(systemd_user.main_pid(GATEWAY), row["pid"], missing_ok=True)
    until(lambda: answers(line.url, "selftest"), "not all of it came back")
    until(lambda: line.status()["ready"], "it does not get ready again")


@pytest.mark.component("llama-server")
@pytest.mark.component("llama-swap")
def test_llama_swap_as_a_unit_starts_what_is_on_demand(
    systemd_cli: Cli, systemd_user: UserManager, selftest_gguf: Path, free_port: Callable[[], int]
) -> None:
    """The gateway may come and go; both engines keep their processes."""
    line = Line.up(systemd_cli, free_port(), "llama-cpp", selftest_gguf, "llama-swap", top=LOGIN)
    file = systemd_cli.home.work / "stack.yaml"
    stack = json.loads(file.read_text())
    stack["models"]["onmodel"] = {"sources": {"llama-cpp": {"path": str(selftest_gguf)}}}
    file.write_text(json.dumps(stack))
    done = systemd_cli("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert answers(line.url, "onmodel")

    def pids() -> list[int]:
        return [systemd_user.main_pid(SWAP), *(row["pid"] for row in line.status()["models"])]

    before, gateway = pids(), systemd_user.main_pid(GATEWAY)
    assert all(before)
    systemd_user.systemctl("restart", GATEWAY)
    until(lambda: answers(line.url, "onmodel"), "the gateway did not come back")
    assert (pids(), systemd_user.main_pid(GATEWAY) != gateway) == (before, True)
    resident = pids()[1]
    systemd_user.kill_9(systemd_user.main_pid(SWAP))
    until(lambda: systemd_user.main_pid(SWAP) not in (0, before[0]), "systemd did not start llama-swap again")
    until(lambda: answers(line.url, "onmodel"), "the new llama-swap does not start it")
    after = line.status()["models"]
    assert after[0]["pid"] == resident, "the resident is systemd's"
    engines = [one for one in systemd_cli.home.processes() if f"{NAME}/onmodel/" in one.environ().get("STACK_RUN", "")]
    assert len({one.pid for one in engines if one.parent() not in engines}) == 1, "what the killed one left is ended"
    if systemd_user.journal:
        assert systemd_cli("logs", "onmodel").stdout.strip(), "llama-swap's output"


@pytest.mark.component("docker")
@pytest.mark.component("llama-server")
def test_a_container_is_docker_run_in_a_unit(
    docker: Dockerd, systemd_cli: Cli, systemd_user: UserManager, selftest_gguf: Path, free_port: Callable[[], int]
) -> None:
    systemd_cli.home.env["DOCKER_HOST"] = docker.host
    systemd_user.home.env["DOCKER_HOST"] = docker.host
    source = {"sources": {"llama-cpp": {"path": str(selftest_gguf), "engine": {"image": dockers.LLAMA_IMAGE}}}}
    line = Line.up(systemd_cli, free_port(), "llama-cpp", selftest_gguf, "embedded", top=LOGIN, **source)
    line.forty_clean_turns()
    name = containers.name(NAME, "selftest")
    assert docker.containers(NAME) == [name]
    client = systemd_user.main_pid(SELFTEST)
    systemd_user.kill_9(client)  # its container outlives it, and holds its name
    until(lambda: systemd_user.main_pid(SELFTEST) not in (0, client), "systemd did not start it again")
    until(lambda: answers(line.url, "selftest"), "the new container does not answer")
    assert docker.containers(NAME) == [name]
    done = systemd_cli("down")
    assert done.returncode == 0, done.stderr
    assert docker.containers(NAME) == []


@pytest.fixture
def nobodys(free_port: Callable[[], int]) -> Iterator[UserManager]:
    """The systemd of a user who is not root, in a home that may be entered."""
    with systemds.of_nobody() as user:
        yield user


@pytest.mark.component("llama-server")
def test_hardened_units_of_a_user_who_is_not_root(
    nobodys: UserManager, selftest_gguf: Path, free_port: Callable[[], int]
) -> None:
    cli = Cli(nobodys.home, prefix=nobodys.inside())
    line = Line.up(cli, free_port(), "llama-cpp", selftest_gguf, "embedded", top=LOGIN)
    line.forty_clean_turns()
    for unit in (SELFTEST, GATEWAY):
        status = nobodys.run("cat", f"/proc/{nobodys.main_pid(unit)}/status").stdout.split("\n")
        held = dict(text.split(":\t", 1) for text in status if ":\t" in text)
        assert (held["NoNewPrivs"], held["Seccomp"], held["Uid"].split()[0] != "0") == ("1", "2", True), unit
    done = cli("down", "--uninstall")
    assert done.returncode == 0, done.stderr
    assert not (nobodys.home.path / ".config/systemd").exists()


def oneshot(user: UserManager, name: str, *lines: str) -> None:
    """Runs such a unit to its end."""
    units = user.home.path / ".config/systemd/user"
    units.mkdir(parents=True, exist_ok=True)
    (units / f"{name}.service").write_text("\n".join(("[Service]", "Type=oneshot", *lines, "")), encoding="utf-8")
    user.systemctl("daemon-reload")
    user.systemctl("start", f"{name}.service")


def test_every_character_arrives_in_an_argument(systemd_user: UserManager, tmp_path: Path) -> None:
    """Bytes that are no text too."""
    words = [*EVERY_CHARACTER, *(os.fsdecode(bytes([byte])) for byte in range(0x80, 0x100))]
    out = tmp_path / "seen"
    script = f"printf '%s\\0' \"$@\" > {out}"
    oneshot(systemd_user, "argv", f"ExecStart={command(('/bin/sh', '-c', script, 'sh', *words))}")
    assert out.read_bytes().split(b"\0")[:-1] == [os.fsencode(word) for word in words]


def test_every_character_that_we_do_not_refuse_arrives_in_the_environment(
    systemd_user: UserManager, tmp_path: Path
) -> None:
    values = {f"V{i}": "".join(filter(sayable, text)) for i, text in enumerate(EVERY_CHARACTER)}
    out = tmp_path / "seen"
    lines = [f"Environment={quoted(f'{name}={value}')}" for name, value in values.items()]
    oneshot(systemd_user, "env", *lines, f"ExecStart={command(('/bin/sh', '-c', f'env -0 > {out}'))}")
    seen = dict(pair.split(b"=", 1) for pair in out.read_bytes().split(b"\0")[:-1])
    assert {name: seen.get(name.encode()) for name in values} == {name: text.encode() for name, text in values.items()}
    refused = [char for text in EVERY_CHARACTER for char in text if not sayable(char)]
    assert len(refused) == 29 + 1 + 32 + 2 + 2, "control characters, DEL, noncharacters"
