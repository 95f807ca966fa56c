"""What goes wrong on a real machine: each ends in clear words, the documented exit code, and nothing left behind."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import openai
import psutil
import pytest

from tests.fake_stack import FakeStack, Make

SUPERVISORS = ["embedded", pytest.param("llama-swap", marks=pytest.mark.component("llama-swap"))]


@pytest.fixture(params=SUPERVISORS)
def supervisor(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"supervisor": request.param}


def client(stack: FakeStack) -> openai.OpenAI:
    return openai.OpenAI(base_url=stack.url, api_key="none", max_retries=0)


def say_hello(stack: FakeStack) -> str:
    with client(stack) as c:
        reply = c.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "hello"}])
        return reply.choices[0].message.content or ""


def wait(what: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def test_up_twice_changes_nothing_and_plan_is_the_same_up_and_down(
    fake_stack: Make, supervisor: dict[str, Any]
) -> None:
    stack = fake_stack(top=supervisor | {"probe": {"on_up": "quick"}})
    before = stack.cli("plan", "--json").stdout
    first = stack.cli("up")
    assert first.returncode == 0, first.stderr
    assert f"ready at {stack.url}" in first.stdout
    pid = stack.engine_pid()
    assert stack.cli("plan", "--json").stdout == before
    second = stack.cli("up")
    assert (second.returncode, "nothing to change" in second.stdout) == (0, True)
    assert stack.engine_pid() == pid
    assert say_hello(stack)
    down = stack.cli("down")
    assert down.returncode == 0
    assert stack.cli.home.processes() == []
    assert stack.cli("plan", "--json").stdout == before


def test_a_gateway_port_in_use_names_its_holder(fake_stack: Make) -> None:
    stack = fake_stack()
    with socket.create_server(("127.0.0.1", stack.port)):
        done = stack.cli("up")
    assert done.returncode == 5
    assert f"port {stack.port} for the gateway is taken by pid {os.getpid()}" in done.stderr
    assert stack.cli.home.processes() == []


def test_an_engine_port_in_use_names_its_holder(fake_stack: Make, supervisor: dict[str, Any]) -> None:
    stack = fake_stack(top=supervisor)
    with socket.create_server(("127.0.0.1", stack.engine_port)):
        done = stack.cli("up")
    assert done.returncode == 5
    assert f"port {stack.engine_port} for model tiny is taken by pid {os.getpid()}" in done.stdout + done.stderr


def test_an_engine_that_exits_at_once_shows_its_log_and_the_next_up_mends_it(
    fake_stack: Make, supervisor: dict[str, Any]
) -> None:
    stack = fake_stack("--exit-at-once", top=supervisor)
    done = stack.cli("up")
    assert done.returncode == 5
    assert "exited with 2" in done.stdout + done.stderr or "did not start" in done.stdout + done.stderr
    assert "|" in done.stderr  # the log's tail
    stack.options = []
    stack.write()
    again = stack.cli("up")
    assert again.returncode == 0, again.stderr
    assert say_hello(stack)


def test_an_engine_that_never_becomes_ready_is_ended(fake_stack: Make, supervisor: dict[str, Any]) -> None:
    stack = fake_stack("--never-ready", top=supervisor, model={"serve": {"start_timeout": "3s"}})
    done = stack.cli("up")
    assert done.returncode == 5
    assert "did not become ready within 3 s" in done.stdout + done.stderr


def test_a_second_up_at_the_same_moment_is_told_who_holds_the_lock(fake_stack: Make) -> None:
    stack = fake_stack("--start-delay", "3")
    first = stack.cli.start("up")
    wait(lambda: bool(list(stack.cli.home.state.glob("*/daemon.json"))))
    second = stack.cli("up")
    assert second.returncode == 7
    assert f"pid {first.process.pid}" in second.stderr
    assert first.process.wait(60) == 0


def test_ctrl_c_in_the_middle_of_up_leaves_nothing(fake_stack: Make, supervisor: dict[str, Any]) -> None:
    stack = fake_stack("--start-delay", "60", top=supervisor)
    up = stack.cli.start("up")
    wait(stack.engine_runs)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 130
    assert "interrupted" in up.err.read_text()
    assert stack.cli.home.processes() == []


def test_after_kill_9_of_the_daemon_the_next_up_adopts_the_engine(fake_stack: Make, supervisor: dict[str, Any]) -> None:
    stack = fake_stack(top=supervisor)
    assert stack.cli("up").returncode == 0
    engine, daemon = stack.engine_pid(), stack.daemon_pid()
    stack.kill(daemon)
    assert psutil.pid_exists(engine)
    assert stack.status()["ready"] is False
    again = stack.cli("up")
    assert again.returncode == 0, again.stderr
    assert stack.engine_pid() == engine
    assert say_hello(stack)


def test_after_kill_9_of_the_daemon_down_ends_the_engine(fake_stack: Make, supervisor: dict[str, Any]) -> None:
    stack = fake_stack(top=supervisor)
    assert stack.cli("up").returncode == 0
    stack.kill(stack.daemon_pid())
    assert stack.cli("down").returncode == 0
    assert stack.cli.home.processes() == []


@pytest.mark.component("llama-swap")
@pytest.mark.parametrize("daemon_too", [False, True])
def test_kill_9_of_llama_swap_is_survived(fake_stack: Make, daemon_too: bool) -> None:
    stack = fake_stack(top={"supervisor": "llama-swap"})
    assert stack.cli("up").returncode == 0
    old, swap = stack.engine_pid(), stack.swap_pid()
    stack.kill(swap, *([stack.daemon_pid()] if daemon_too else []))
    if daemon_too:
        assert stack.cli("up").returncode == 0
    wait(lambda: stack.status()["ready"] and stack.engine_pid() != old)
    assert not psutil.pid_exists(old) or psutil.Process(old).status() == psutil.STATUS_ZOMBIE
    assert say_hello(stack)


def test_an_engine_that_dies_in_mid_stream_gives_an_error_event_and_the_next_request_works(
    fake_stack: Make, supervisor: dict[str, Any]
) -> None:
    stack = fake_stack("--token-delay", "0.2", top=supervisor)
    assert stack.cli("up").returncode == 0
    ask = [{"role": "user", "content": "Say exactly: " + " ".join(["amber"] * 50)}]
    with client(stack) as c:
        stream = c.chat.completions.create(model="tiny", messages=ask, stream=True)  # type: ignore[call-overload]
        next(iter(stream))
        stack.kill(stack.engine_pid())
        with pytest.raises(openai.APIError):
            list(stream)
    wait(lambda: stack.status()["models"][0]["state"] == "ready")
    assert say_hello(stack)


def test_a_full_disk_for_logs_is_named(fake_stack: Make) -> None:
    stack = fake_stack()
    assert stack.cli("up").returncode == 0
    log = next(stack.cli.home.state.glob("*/logs/tiny-*.log"))
    assert stack.cli("down").returncode == 0
    log.unlink()
    log.symlink_to("/dev/full")
    done = stack.cli("up")
    assert done.returncode == 5
    assert "cannot be written: No space left on device" in done.stdout + done.stderr


def test_a_changed_file_restarts_only_what_it_must(fake_stack: Make, supervisor: dict[str, Any]) -> None:
    stack = fake_stack(top=supervisor)
    assert stack.cli("up").returncode == 0
    pid = stack.engine_pid()
    stack.model = {"aliases": ["also-tiny"]}
    stack.write()
    again = stack.cli("up")
    assert again.returncode == 0, again.stderr
    with client(stack) as c:
        assert c.chat.completions.create(model="also-tiny", messages=[{"role": "user", "content": "hello"}])
    if supervisor["supervisor"] == "embedded":
        assert stack.engine_pid() == pid
