"""A stack as units of a real machine's systemd (PID 1 of its namespace) that run as a user who is not root."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.core.plan import slug
from tests import systemds
from tests.fake_stack import NAME, FakeStack
from tests.homes import Cli
from tests.line import Line
from tests.names import apart
from tests.systemds import UserManager, answers, ask, tree, until, up

pytestmark = pytest.mark.component("systemd")
GATEWAY = f"stack-{NAME}-gateway.service"
TINY = f"stack-{NAME}-{slug('tiny')}.service"
TARGET = f"stack-{NAME}.target"
REAL = apart("machine")


@pytest.fixture
def machine() -> Iterator[UserManager]:
    with systemds.of_nobody(system=True) as made:
        yield made


@pytest.fixture
def stack(machine: UserManager, selftest_gguf: Path, free_port: Callable[[], int]) -> FakeStack:
    cli = Cli(machine.home, prefix=machine.inside())
    made = FakeStack(cli, selftest_gguf, free_port(), free_port())
    made.write()
    return made


def typed(machine: UserManager, done: subprocess.CompletedProcess[str]) -> list[str]:
    """Does what a command says that is to be typed, and as root what begins with sudo. Returns the lines."""
    assert done.returncode == 4, done.stdout + done.stderr
    *lines, _ = [line.strip() for line in done.stderr.splitlines() if line.startswith("   ")]
    assert lines, done.stderr
    for line in lines:
        if line.startswith("sudo "):
            machine.root("sh", "-ec", line.removeprefix("sudo "))
        else:
            machine.run("sh", "-ec", line)
    return lines


def units(machine: UserManager) -> list[str]:
    found = machine.root("sh", "-c", "cd /etc/systemd/system; find . -name 'stack-*' | sort")
    return found.split()


def test_root_types_what_it_prints_and_the_rest_is_as_ever(machine: UserManager, stack: FakeStack) -> None:
    before = tree(machine.home.path)
    lines = typed(machine, stack.cli("up", "--system"))
    assert [line.split()[:3] for line in lines] == [
        ["cp", "-R", f"{machine.home.state}/{NAME}/pending/."],
        ["sudo", "install", "-m"],
        ["sudo", "systemctl", "daemon-reload"],
        ["sudo", "systemctl", "enable"],
        ["sudo", "systemctl", "start"],
    ]
    assert "ready at" in up(stack, "--system")
    assert "nothing to change" in up(stack, "--system")
    status = stack.status()
    assert (status["manager"], status["units"][TINY]) == ("systemd-system", "active (running)")
    assert status["models"][0]["pid"] == machine.main_pid(TINY)
    owner = machine.root("stat", "-c", "%U", f"/proc/{machine.main_pid(TINY)}").strip()
    assert owner == "nobody"
    assert machine.systemctl("is-enabled", TARGET).strip() == "enabled"
    assert ask(stack.url) == 200
    assert "systemd-journal" in stack.cli("logs").stderr, "a journal in memory is root's"

    machine.root("kill", "-9", *(str(machine.main_pid(unit)) for unit in (TINY, GATEWAY)))
    until(lambda: answers(stack.url), "not both came back")
    engine = machine.main_pid(TINY)
    assert typed(machine, stack.cli("restart", "tiny")) == [f"sudo systemctl restart {TINY}"]
    until(lambda: machine.main_pid(TINY) not in (0, engine) and answers(stack.url), "it does not come back")
    typed(machine, stack.cli("unload", "tiny"))
    assert stack.cli("unload", "tiny").returncode == 0, "it is done"
    typed(machine, stack.cli("load", "tiny"))
    assert stack.cli("load", "tiny").returncode == 0
    assert answers(stack.url)

    file = machine.home.work / "stack.yaml"
    data = json.loads(file.read_text())
    data["models"]["tiny"]["aliases"] = ["wee"]
    other = {"sources": {"llama-cpp": {"path": str(stack.weights)}}, "context": 8192, "residency": "resident"}
    file.write_text(json.dumps(data | {"models": data["models"] | {"other": other}}))
    engine = machine.main_pid(TINY)
    seen = stack.cli("plan", "--diff", "--system").stdout
    assert f"/etc/systemd/system/{GATEWAY}" in seen, seen
    assert "+    " not in seen
    assert '    +Environment="STACK_PLAN=' in seen, "what differs is shown"
    refused = stack.cli("up")  # --system: as last time
    serving = stack.status()["plan"]
    machine.systemctl("restart", GATEWAY)
    until(lambda: answers(stack.url), "the gateway does not come back")
    assert stack.status()["plan"] == serving, "nothing was typed: the unit serves the plan that it was made for"
    typed(machine, refused)
    assert "as the last `up` was told" in up(stack)
    assert ask(stack.url, "wee") == 200
    assert machine.main_pid(TINY) == engine, "an alias is the gateway's"

    unit = f"stack-{NAME}-{slug('other')}.service"
    assert machine.main_pid(unit)
    file.write_text(json.dumps(data))
    lines = typed(machine, stack.cli("up"))
    assert f"sudo rm -f /etc/systemd/system/{unit}" in lines
    assert "ready at" in up(stack)
    assert set(stack.status()["units"]) == {TARGET, GATEWAY, TINY}
    assert machine.main_pid(TINY) == engine

    typed(machine, stack.cli("down"))
    assert not machine.main_pid(TINY)
    assert machine.systemctl("is-enabled", TARGET, check=False).strip() == "disabled"
    done = stack.cli("down")
    assert done.returncode == 0, done.stderr
    typed(machine, stack.cli("down", "--uninstall"))
    done = stack.cli("down", "--uninstall")
    assert done.returncode == 0, done.stderr
    assert units(machine) == []
    assert tree(machine.home.path) == before


def test_what_runs_is_left_alone_until_it_is_typed(machine: UserManager, stack: FakeStack) -> None:
    """A stack that is up by itself moves to the machine's systemd, and back."""
    up(stack)
    engine, daemon = stack.engine_pid(), stack.daemon_pid()
    asked = stack.cli("up", "--system")
    assert (stack.engine_pid(), stack.daemon_pid()) == (engine, daemon)
    assert answers(stack.url)
    assert typed(machine, asked)[0] == "stack down"
    assert "ready at" in up(stack, "--system")
    assert stack.status()["manager"] == "systemd-system"

    machine.systemctl("disable", TARGET)  # and no more: a mind was changed
    assert typed(machine, stack.cli("up"))[1:] == [f"sudo systemctl enable {TARGET}"]
    up(stack)

    typed(machine, stack.cli("up", "--target", "none"))
    typed(machine, stack.cli("up", "--target", "none"))
    assert "ready at" in up(stack, "--target", "none")
    assert "manager" not in stack.status() or not stack.status()["manager"]
    assert units(machine) == []
    assert stack.cli("down").returncode == 0


def test_root_itself_needs_to_type_nothing(machine: UserManager, stack: FakeStack) -> None:
    """With the home of nobody, which root may use as well: only whose the units are differs."""
    root = ("nsenter", "--target", str(machine.outer), "--mount", "--pid", "--wd=.", "--")
    stack.cli.prefix = root
    by_sudo = stack.cli("up", "--system", env={"SUDO_USER": "nobody"})
    assert (by_sudo.returncode, "the same command without sudo" in by_sudo.stderr) == (4, True), by_sudo.stderr
    assert "ready at" in up(stack, "--system")
    assert machine.systemctl("is-enabled", TARGET).strip() == "enabled"
    file = machine.root("cat", f"/etc/systemd/system/{GATEWAY}")
    assert "User=root\n" in file
    assert "Requires=user-runtime-dir@0.service\n" in file
    done = stack.cli("restart", "tiny")
    assert done.returncode == 0, done.stderr
    assert stack.cli("logs", "tiny").stdout.strip()
    assert answers(stack.url)
    done = stack.cli("down", "--uninstall")
    assert done.returncode == 0, done.stderr
    assert units(machine) == []


@pytest.mark.parametrize("system", [False, True], ids=["user", "system"])
def test_after_a_reboot_it_serves_and_nobody_types_anything(
    system: bool, selftest_gguf: Path, free_port: Callable[[], int]
) -> None:
    """Of a `systemd --user` the start alone: that it starts with the machine is linger's work."""
    flags = ("--system",) if system else ("--target", "systemd")
    with systemds.nobodys_home() as home:
        with systemds.running(home, "nobody", system=system) as machine:
            stack = FakeStack(Cli(home, prefix=machine.inside()), selftest_gguf, free_port(), free_port())
            stack.write()
            if system:
                typed(machine, stack.cli("up", *flags))
            up(stack, *flags)
            assert answers(stack.url)
        assert not answers(stack.url)
        with systemds.running(home, "nobody", system=system) as machine:
            stack.cli.prefix = machine.inside()
            until(lambda: answers(stack.url), "it does not come back")
            until(lambda: stack.status()["ready"], "it does not get ready")
            assert "nothing to change" in up(stack, *flags)
            if system:
                typed(machine, stack.cli("down"))
            assert stack.cli("down").returncode == 0
        with systemds.running(home, "nobody", system=system) as machine:
            stack.cli.prefix = machine.inside()
            assert stack.status()["units"] == {
                TARGET: "inactive (dead)",
                GATEWAY: "inactive (dead)",
                TINY: "inactive (dead)",
            }


@pytest.mark.component("llama-server")
def test_forty_turns_by_hardened_units(machine: UserManager, selftest_gguf: Path, free_port: Callable[[], int]) -> None:
    cli = Cli(machine.home, prefix=machine.inside())
    line = Line.write(cli, free_port(), "llama-cpp", selftest_gguf, "embedded", top={"name": REAL})
    typed(machine, cli("up", "--system"))
    done = cli("up", "--system")
    assert done.returncode == 0, done.stdout + done.stderr
    line.forty_clean_turns()
    for what in (slug("selftest"), "gateway"):
        pid = machine.main_pid(f"stack-{REAL}-{what}.service")
        status = machine.root("cat", f"/proc/{pid}/status").split("\n")
        held = dict(text.split(":\t", 1) for text in status if ":\t" in text)
        seen = (held["NoNewPrivs"], held["Seccomp"], held["Uid"].split()[0] != "0", int(held["CapBnd"], 16))
        assert seen == ("1", "2", True, 0), what
