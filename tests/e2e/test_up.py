"""`up` and its neighbours as a whole: what is refused is refused before anything that runs is touched."""

from __future__ import annotations

import json
import signal
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fake_stack import NAME, FakeStack, Make

NAMES = ["check", "host", "plan", "render", "pull", "down", "status", "logs", "schema", "version", "init --print"]
NAMES += ["doctor", "prune --dry-run"]


def ask(stack: FakeStack, model: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return httpx.post(f"{stack.url}/chat/completions", json=body, timeout=30).status_code


@pytest.mark.parametrize("command", NAMES)
def test_every_command_takes_file_host_and_json_after_its_name(fake_stack: Make, command: str) -> None:
    stack = fake_stack()
    (stack.cli.home.work / "host.json").write_text(stack.cli("host", "--json").stdout)
    done = stack.cli(*command.split(), "--json", "--host", "host.json", "--file", "stack.yaml")
    assert (done.returncode, done.stderr if command != "render" else "") == (
        0,
        done.stderr if command == "pull" else "",
    )
    json.loads(done.stdout)


def test_a_wrong_command_line_is_json_too(fake_stack: Make) -> None:
    done = fake_stack().cli("--json", "plan", "--bogus")
    assert (done.returncode, json.loads(done.stdout)["exit"]) == (2, 2)


def test_what_cannot_serve_leaves_what_runs_alone(fake_stack: Make) -> None:
    stack = fake_stack()
    assert stack.cli("up").returncode == 0
    pid = stack.daemon_pid()
    listen = stack.port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        stack.port = taken.getsockname()[1]
        stack.write()
        assert stack.cli("up").returncode == 5
    stack.port = listen
    stack.top = {"endpoint": {"listen": f"127.0.0.1:{listen}", "keys": {"a": {"env": "NO_SUCH_KEY"}}}}
    stack.write()
    done = stack.cli("up")
    assert (done.returncode, "NO_SUCH_KEY is not set" in done.stderr) == (4, True)
    assert stack.daemon_pid() == pid
    assert ask(stack, "tiny") == 200


def test_a_key_file_that_changed_is_read_again(fake_stack: Make) -> None:
    stack = fake_stack(top={"endpoint": {"keys": {"a": {"file": "a.key"}}}})
    stack.top["endpoint"]["listen"] = f"127.0.0.1:{stack.port}"
    stack.write()
    key = stack.cli.home.work / "a.key"

    def status(secret: str) -> int:
        return httpx.get(f"{stack.url}/models", headers={"Authorization": f"Bearer {secret}"}).status_code

    key.write_text("first\n")
    assert stack.cli("up").returncode == 0
    engine = stack.engine_pid()
    assert (status("first"), status("second")) == (200, 401)
    key.write_text("second\n")
    assert stack.cli("up").returncode == 0
    assert (status("first"), status("second")) == (401, 200)
    assert stack.engine_pid() == engine


def test_a_stack_whose_file_broke_can_be_seen_and_stopped(fake_stack: Make) -> None:
    stack = fake_stack()
    assert stack.cli("up").returncode == 0
    file = stack.cli.home.work / "stack.yaml"
    file.write_text(f"name: {NAME}\nmodels: [")
    assert stack.cli("up").returncode == 3
    assert stack.status()["ready"]
    assert stack.cli("down", "--uninstall").returncode == 0
    assert stack.cli.home.processes() == []
    assert not stack.cli.home.state.exists()
    assert list(stack.cli.home.runtime.iterdir()) == []
    assert stack.cli("status").returncode == 3


def test_ctrl_c_before_the_daemon_answers_ends_it(fake_stack: Make) -> None:
    stack = fake_stack("--start-delay", "30")
    written: Path = stack.cli.home.state / f"{NAME}/logs/daemon.log"
    up = stack.cli.start("up")
    while not written.exists():  # its log is opened as it is started
        assert up.process.poll() is None
        time.sleep(0.005)
    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 130
    assert stack.cli.home.processes() == []


def test_an_evicted_default_does_not_make_the_stack_unready(fake_stack: Make) -> None:
    stack = fake_stack(model={"residency": "on-demand"})
    assert stack.cli("up").returncode == 0
    assert stack.cli("unload", "tiny").returncode == 0
    assert (stack.status()["ready"], stack.status()["models"][0]["state"]) == (True, "stopped")
    again = stack.cli("up")
    assert (again.returncode, "nothing to change" in again.stdout) == (0, True)
    assert ask(stack, "tiny") == 200


def test_tools_that_fail_are_a_warning_where_the_file_says_warn(fake_stack: Make) -> None:
    stack = fake_stack("--fault", "markup_in_content", top={"probe": {"tools": "warn"}})
    done = stack.cli("up")
    assert (done.returncode, "warning: the tool path of tiny does not hold" in done.stderr) == (0, True)
    assert stack.status()["ready"]


def test_a_degraded_tool_path_is_a_warning(fake_stack: Make) -> None:
    stack = fake_stack("--fault", "stop_with_calls", top={"probe": {"on_up": "quick"}})
    done = stack.cli("up")
    assert (done.returncode, "warning: the tool path of tiny is degraded: stop_with_calls" in done.stderr) == (0, True)


@pytest.mark.component("llama-swap")
def test_files_edited_by_hand_are_overwritten_with_force(fake_stack: Make) -> None:
    stack = fake_stack(top={"supervisor": "llama-swap"})
    assert stack.cli("up").returncode == 0
    config = stack.cli.home.state / f"{NAME}/artifacts/llama-swap/config.yaml"
    config.write_text(config.read_text() + "# mine\n")
    assert stack.cli("up").returncode == 8
    assert stack.cli("up", "--force", "tiny").returncode == 0
    assert "# mine" not in config.read_text()


def test_a_second_serve_says_who_serves_and_touches_nothing(fake_stack: Make) -> None:
    stack = fake_stack()
    assert stack.cli("up").returncode == 0
    plan = stack.cli.home.state / NAME / "plan.json"
    before = (plan.stat().st_mtime_ns, plan.read_bytes())
    done = stack.cli("serve")
    assert (done.returncode, done.stdout) == (7, "")
    assert str(stack.daemon_pid()) in done.stderr
    assert (plan.stat().st_mtime_ns, plan.read_bytes()) == before


def test_logs_that_go_on_are_a_json_object_a_line(fake_stack: Make) -> None:
    stack = fake_stack()
    assert stack.cli("up").returncode == 0
    going = stack.cli.start("logs", "tiny", "-f", "--json")

    def line(number: int) -> Any:
        end = time.monotonic() + 30
        while len(said := going.out.read_text().splitlines()) <= number:
            assert time.monotonic() < end, going.err.read_text()
            time.sleep(0.05)
        return json.loads(said[number])

    first = line(0)
    assert any("listens on" in text for text in first["lines"])
    with Path(first["path"]).open("a") as file:
        file.write("one more\n")
    assert line(1) == {"line": "one more"}
