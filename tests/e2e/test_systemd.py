"""A stack as units of a real `systemd --user`: installed, killed, changed, edited, removed."""

from __future__ import annotations

import contextlib
import threading

import httpx
import pytest

from orchestrator.core.plan import slug
from tests import systemds
from tests.fake_stack import NAME, Make
from tests.homes import Home
from tests.systemds import answers, ask, tree, until, up

pytestmark = pytest.mark.component("systemd")
GATEWAY = f"stack-{NAME}-gateway.service"
TINY = f"stack-{NAME}-{slug('tiny')}.service"
TARGET = f"stack-{NAME}.target"


def test_a_stack_is_installed_started_stopped_and_removed(
    systemd_stack: Make, systemd_user: systemds.UserManager
) -> None:
    made = systemd_stack()
    home = systemd_user.home.path
    before = tree(home)
    assert "ready at" in up(made)
    status = made.status()
    assert status["models"][0]["owner"] == "manager"
    assert status["manager"] == "systemd"
    assert status["models"][0]["pid"] == systemd_user.main_pid(TINY)
    assert status["pid"] == systemd_user.main_pid(GATEWAY)
    assert ask(made.url) == 200
    assert systemd_user.systemctl("is-enabled", TARGET).strip() == "enabled"
    assert "nothing to change" in up(made)
    assert (made.engine_pid(), made.daemon_pid()) == (status["models"][0]["pid"], status["pid"])

    done = made.cli("down")
    assert done.returncode == 0, done.stderr
    assert "is down" in done.stdout
    assert systemd_user.systemctl("is-enabled", TARGET, check=False).strip() == "disabled"
    assert not any(systemd_user.main_pid(unit) for unit in (TINY, GATEWAY))
    assert not answers(made.url)
    assert (home / ".config/systemd/user" / GATEWAY).exists(), "down keeps the files"
    assert "was not running" in made.cli("down").stdout

    up(made)
    done = made.cli("down", "--uninstall")
    assert done.returncode == 0, done.stderr
    assert tree(home) - before == set()
    assert systemd_user.systemctl("list-units", "--all", "--plain", "--no-legend", "stack-*").strip() == ""


def test_what_is_half_installed_is_removed_and_repaired(
    systemd_stack: Make, systemd_user: systemds.UserManager
) -> None:
    made = systemd_stack()
    before = tree(systemd_user.home.path)
    units = systemd_user.home.path / ".config/systemd/user"
    up(made)
    engine = made.engine_pid()
    for name in (TARGET, GATEWAY):
        (units / name).unlink()
    systemd_user.systemctl("daemon-reload")
    up(made)
    assert answers(made.url)
    assert made.engine_pid() == engine
    for name in (TARGET, GATEWAY):
        (units / name).unlink()
    systemd_user.systemctl("daemon-reload")
    done = made.cli("down", "--uninstall")
    assert done.returncode == 0, done.stderr
    assert tree(systemd_user.home.path) - before == set()
    assert not answers(made.url)
    assert not made.engine_runs()


def test_what_is_killed_comes_back_and_the_gateway_leaves_engines_alone(
    systemd_stack: Make, systemd_user: systemds.UserManager
) -> None:
    made = systemd_stack()
    up(made)
    engine, daemon = made.engine_pid(), made.daemon_pid()
    systemd_user.kill_9(engine)
    until(lambda: systemd_user.main_pid(TINY) not in (0, engine), "systemd did not start the engine again")
    assert answers(made.url), "the next request waits for the new engine"
    engine = made.engine_pid()
    assert made.daemon_pid() == daemon

    systemd_user.kill_9(daemon)
    until(lambda: answers(made.url), "the gateway did not come back")
    assert made.daemon_pid() != daemon
    assert made.engine_pid() == engine

    systemd_user.kill_9(made.daemon_pid(), engine)
    until(lambda: answers(made.url), "not both came back")
    assert made.engine_pid() != engine


def test_the_gateway_restarts_under_load_and_its_engine_does_not(
    systemd_stack: Make, systemd_user: systemds.UserManager
) -> None:
    made = systemd_stack()
    up(made)
    engine, daemon = made.engine_pid(), made.daemon_pid()
    stop, codes = threading.Event(), []

    def load() -> None:
        while not stop.is_set():
            with contextlib.suppress(httpx.HTTPError):  # nobody listens for a moment
                codes.append(ask(made.url))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(codes) > 5, "no answers before")
        systemd_user.systemctl("restart", GATEWAY)
        until(lambda: answers(made.url), "the gateway did not come back")
        seen = len(codes)
        until(lambda: len(codes) > seen + 5, "no answers after")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert made.daemon_pid() != daemon
    assert made.engine_pid() == engine
    assert set(codes) <= {200, 503}, "what was begun is finished, or refused in words"


def test_an_engine_that_cannot_start_is_given_up_with_its_reason(
    systemd_stack: Make, systemd_user: systemds.UserManager
) -> None:
    made = systemd_stack("--exit-at-once")
    assert "not ready: an engine failed" in up(made, code=5)
    until(lambda: "systemd has given it up" in made.status()["models"][0]["error"], "the gateway was not told")
    assert "tiny: exited with 2, also after 5 restarts" in made.status()["models"][0]["error"]
    made.options = []
    made.write()
    assert made.cli("restart", "tiny").returncode == 0
    assert ask(made.url) == 200


def test_a_resident_is_unloaded_and_loaded_by_its_unit(systemd_stack: Make, systemd_user: systemds.UserManager) -> None:
    made = systemd_stack()
    up(made)
    assert made.cli("unload", "tiny").returncode == 0
    assert not systemd_user.main_pid(TINY)
    until(lambda: "was stopped by hand" in made.status()["models"][0]["error"], "the gateway was not told")
    assert ask(made.url) == 503
    assert made.cli("load", "tiny").returncode == 0
    assert ask(made.url) == 200


def test_what_runs_on_demand_outlives_a_crash_of_the_gateway_and_no_more(
    systemd_stack: Make, systemd_user: systemds.UserManager
) -> None:
    made = systemd_stack(model={"residency": "on-demand"})
    up(made)
    assert not systemd_user.main_pid(TINY), "no unit of it"
    assert ask(made.url) == 200
    engine = made.engine_pid()
    systemd_user.kill_9(made.daemon_pid())
    until(lambda: answers(made.url), "the gateway did not come back")
    assert made.engine_pid() == engine, "the next one adopts it"
    assert made.cli("logs", "tiny").stdout.strip(), "its output is in a file"
    systemd_user.systemctl("restart", GATEWAY)
    until(lambda: answers(made.url), "the gateway did not come back")
    assert made.engine_pid() != engine, "it ended with a gateway that was told to go"
    assert made.cli("down").returncode == 0
    assert not made.engine_runs()


def test_logs_are_the_journals(systemd_stack: Make, systemd_user: systemds.UserManager) -> None:
    if not systemd_user.journal:
        pytest.skip("there is no systemd-journald")
    made = systemd_stack()
    up(made)
    assert "fake engine fake listens on" in made.cli("logs", "tiny").stdout
    following = made.cli.start("logs", "tiny", "--follow", "-n", "1")
    until(lambda: following.out.read_text().count("\n") == 1, "the last line did not come")
    systemd_user.systemctl("restart", TINY)
    until(lambda: "fake engine stops" in following.out.read_text(), "what came after it did not")
    following.process.kill()
    following.process.wait()


def test_boot_wants_linger(systemd_stack: Make, systemd_user: systemds.UserManager) -> None:
    made = systemd_stack(top={"service": "boot"})
    told = up(made, code=4)
    assert "sudo loginctl enable-linger root" in told
    assert not (systemd_user.home.path / ".config/systemd").exists()
    systemd_user.linger(on=True)
    up(made)
    assert answers(made.url)


def test_without_a_systemd_of_the_user_it_says_so(stack_home: Home, fake_stack: Make) -> None:
    made = fake_stack(top={"service": "login"})
    told = up(made, code=4)
    assert "the systemd of root cannot be asked" in told
    assert not (stack_home.path / ".config/systemd").exists()
