"""A change of stack.yaml, of its owner, or by a hand, under a real `systemd --user`."""

from __future__ import annotations

import json
import signal
import socket
from typing import Any

import psutil
import pytest

from orchestrator.core.plan import slug
from tests import systemds
from tests.fake_stack import NAME, FakeStack, Make
from tests.systemds import answers, ask, until, up

pytestmark = pytest.mark.component("systemd")
TINY = f"stack-{NAME}-{slug('tiny')}.service"
GATEWAY = f"stack-{NAME}-gateway.service"


def change(stack: FakeStack, **model: Any) -> None:
    """Of tiny, in the stack.yaml that is there."""
    file = stack.cli.home.work / "stack.yaml"
    data = json.loads(file.read_text())
    data["models"]["tiny"] |= model
    file.write_text(json.dumps(data))


def test_only_what_changed_is_restarted(systemd_stack: Make, systemd_user: systemds.UserManager) -> None:
    made = systemd_stack()
    other = {"sources": {"llama-cpp": {"path": str(made.weights)}}, "context": 8192, "residency": "resident"}
    file = made.cli.home.work / "stack.yaml"
    data = json.loads(file.read_text())
    data["models"]["other"] = other
    file.write_text(json.dumps(data))
    unit = f"stack-{NAME}-{slug('other')}.service"
    up(made)
    engine, daemon, beside = made.engine_pid(), made.daemon_pid(), systemd_user.main_pid(unit)

    change(made, aliases=["wee"])
    up(made)
    assert (made.engine_pid(), systemd_user.main_pid(unit)) == (engine, beside)
    assert made.daemon_pid() != daemon
    assert ask(made.url, "wee") == 200

    change(made, context=4096)
    up(made)
    assert made.engine_pid() != engine
    assert systemd_user.main_pid(unit) == beside

    data = json.loads(file.read_text())
    del data["models"]["other"]
    file.write_text(json.dumps(data))
    engine = made.engine_pid()
    up(made)
    assert systemd_user.main_pid(unit) == 0
    assert not (systemd_user.home.path / ".config/systemd/user" / unit).exists()
    assert made.engine_pid() == engine


def test_a_unit_edited_by_hand_is_kept_until_force(systemd_stack: Make, systemd_user: systemds.UserManager) -> None:
    made = systemd_stack()
    up(made)
    engine = made.engine_pid()
    file = systemd_user.home.path / ".config/systemd/user" / TINY
    ours = file.read_text()
    file.write_text(ours + "Nice=5\n")
    told = up(made, code=8)
    assert f"{file}: edited by hand" in told
    assert "--force" in told
    assert file.read_text() == ours + "Nice=5\n"
    assert made.engine_pid() == engine
    up(made, "--force", "tiny")
    assert file.read_text() == ours
    assert answers(made.url)


def rows(made: FakeStack) -> dict[str, str]:
    """By the last part of its name, what `plan --diff` says of each."""
    told = json.loads(made.cli("plan", "--diff", "--json").stdout)
    return {row["subject"].rpartition("/")[2]: row["action"] for row in told["rows"]}


def test_the_plan_says_which_files_differ(systemd_stack: Make, systemd_user: systemds.UserManager) -> None:
    made = systemd_stack()
    assert (rows(made)[GATEWAY], rows(made)["tiny"]) == ("write", "start")
    up(made)
    assert set(rows(made).values()) == {"unchanged"}
    change(made, aliases=["wee"])
    assert (rows(made)[GATEWAY], rows(made)[TINY], rows(made)["tiny"]) == ("write", "unchanged", "unchanged")
    with (systemd_user.home.path / ".config/systemd/user" / TINY).open("a") as unit:
        unit.write("Nice=5\n")
    assert rows(made)[TINY] == "edited"


def test_the_plan_knows_what_runs_without_a_gateway(systemd_stack: Make, systemd_user: systemds.UserManager) -> None:
    made = systemd_stack()
    up(made)
    systemd_user.systemctl("stop", GATEWAY)
    rows = {row["subject"]: row["action"] for row in json.loads(made.cli("plan", "--diff", "--json").stdout)["rows"]}
    assert (rows["tiny"], rows["gateway"]) == ("unchanged", "start")
    up(made)


def test_a_taken_port_of_an_engine_is_named_before_anything_is_started(
    systemd_stack: Make, systemd_user: systemds.UserManager
) -> None:
    made = systemd_stack()
    with socket.create_server(("127.0.0.1", made.engine_port)):
        done = made.cli("up")
        assert (done.returncode, f"port {made.engine_port} for model tiny is taken by" in done.stderr) == (5, True)
        assert not systemd_user.main_pid(GATEWAY)
    up(made)
    assert answers(made.url)


def test_up_that_is_interrupted_leaves_nothing_running(systemd_stack: Make, systemd_user: systemds.UserManager) -> None:
    made = systemd_stack("--start-delay", "60")
    going = made.cli.start("up")
    until(lambda: systemd_user.main_pid(TINY), "its unit was not started")
    (inside,) = psutil.Process(going.process.pid).children()  # nsenter's, in that systemd's own namespace
    inside.send_signal(signal.SIGINT)
    assert going.process.wait(60) == 130
    assert not any(systemd_user.main_pid(unit) for unit in (TINY, GATEWAY))
    assert made.cli("down").returncode == 0


def test_a_stack_changes_its_owner_and_serves_on(systemd_stack: Make, systemd_user: systemds.UserManager) -> None:
    made = systemd_stack(top={"service": "none"})
    up(made)
    assert (made.status()["models"][0]["owner"], answers(made.url)) == ("supervisor", True)
    made.top = {"service": "login"}
    made.write()
    assert "it was up by itself: systemd runs it from now on" in up(made)
    assert (made.engine_pid(), ask(made.url)) == (systemd_user.main_pid(TINY), 200)
    made.top = {"service": "none"}
    made.write()
    assert "systemd ran it: stopping that" in up(made)
    assert (made.status()["models"][0]["owner"], ask(made.url)) == ("supervisor", 200)
    assert not (systemd_user.home.path / ".config/systemd/user" / TINY).exists()
