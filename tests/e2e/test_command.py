"""Any server of the user's own: started from its `cmd`, ended by its `stop`, refused where it leaves the foreground."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from tests.attached import until
from tests.homes import Cli

ENGINE = Path(__file__).parents[1] / "fakes" / "engine.py"
SUPERVISORS = ["embedded", pytest.param("llama-swap", marks=pytest.mark.component("llama-swap"))]
FORKS = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, {engine!r}, "--port", sys.argv[1]])
time.sleep({wait})
print("daemonized, good bye", flush=True)
"""

END = """
import os, psutil, signal, sys
port = int(sys.argv[1])
(pid,) = {one.pid for one in psutil.net_connections("tcp") if one.status == "LISTEN" and one.laddr.port == port}
os.kill(pid, signal.SIGINT)
"""


@pytest.fixture(params=SUPERVISORS)
def supervisor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


Write = Callable[..., int]


@pytest.fixture
def write(stack_cli: Cli, free_port: Callable[[], int]) -> Write:
    """`write(supervisor, source, **model)` writes the stack.yaml; gives the gateway's port."""

    def made(supervisor: str, source: dict[str, Any], **model: Any) -> int:
        port = free_port()
        stack = {
            "version": 1,
            "name": f"cmd-{port}",
            "supervisor": supervisor,
            "endpoint": {"listen": f"127.0.0.1:{port}"},
            "models": {
                "m": {
                    "sources": {"command": source},
                    "roles": ["default"],
                    "memory": {"weights": "1MiB"},
                    "serve": {"port": free_port(), "concurrency": 2} | model.pop("serve", {}),
                    **model,
                }
            },
            "probe": {"on_up": "none"},
        }
        (stack_cli.home.work / "stack.yaml").write_text(json.dumps(stack))
        return port

    return made


def status(cli: Cli) -> dict[str, Any]:
    return dict(json.loads(cli("status", "--json").stdout)["models"][0])


def log_of(cli: Cli) -> str:
    return "".join(file.read_text() for file in cli.home.state.glob("*/logs/*.log"))


def test_a_server_of_the_users_own(write: Write, supervisor: str, stack_cli: Cli) -> None:
    """Relative paths are the file's, ${PORT} is ours, the environment is given, forty turns are clean."""
    work = stack_cli.home.work
    for file in ENGINE.parent.glob("engine*.py"):
        shutil.copy(file, work)
    source = {
        "cmd": [sys.executable, "./engine.py", "--port", "${PORT}", "--model", "theirs", "--strict-model"],
        "model": "theirs",
        "check": "/health",
        "env": {"WHERE": "port ${PORT}"},
    }
    port = write(supervisor, source)
    done = stack_cli("up")
    assert done.returncode == 0, done.stdout + done.stderr
    row = status(stack_cli)
    assert (row["backend"], row["owner"], row["state"]) == ("command", "supervisor", "ready")
    engine = psutil.Process(row["pid"])
    assert engine.environ()["WHERE"] == f"port {row['port']}"
    assert str(work / "engine.py") in engine.cmdline()
    with openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client:
        assert client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello"}]).choices
    verdict = json.loads(stack_cli("probe", "m", "--json", timeout=240).stdout)
    assert (verdict["verdict"], verdict["clean_turns"] >= 40) == ("pass", True)
    assert stack_cli("down").returncode == 0
    assert stack_cli.home.processes() == []


@pytest.mark.parametrize("wait", [0, 3], ids=["before it listens", "after it listens"])
def test_a_command_that_forks_away_is_refused(write: Write, supervisor: str, stack_cli: Cli, wait: int) -> None:
    script = stack_cli.home.work / "forks.py"
    script.write_text(FORKS.format(engine=str(ENGINE), wait=wait))
    source = {"cmd": [sys.executable, "./forks.py", "${PORT}"], "check": "/health"}
    write(supervisor, source, serve={"start_timeout": "30s"})
    done = stack_cli("up")
    said = done.stdout + done.stderr
    if done.returncode == 0:  # it was ready before it left: then it is noticed in the running stack
        said = until(lambda: status(stack_cli)["error"])
    else:
        assert done.returncode == 5, said
    assert "it must stay in the foreground (given up: `stack restart m`)" in said
    assert str(ENGINE) in said
    assert stack_cli("down").returncode == 0
    assert stack_cli.home.processes() == []


def test_its_own_stop_command_ends_it(write: Write, supervisor: str, stack_cli: Cli) -> None:
    """An engine that ignores SIGTERM, and a command that ends it another way."""
    work = stack_cli.home.work
    (work / "end.py").write_text(END)
    source = {
        "cmd": [sys.executable, str(ENGINE), "--port", "${PORT}", "--ignore-sigterm"],
        "check": "/health",
        "stop": f"{sys.executable} ./end.py ${{PORT}}",
    }
    write(supervisor, source)
    assert stack_cli("up").returncode == 0
    row = status(stack_cli)
    assert stack_cli("unload", "m").returncode == 0
    assert not psutil.pid_exists(row["pid"])
    assert "fake engine stops after" in log_of(stack_cli), "it was killed, not stopped"
    assert status(stack_cli)["state"] == "stopped"


def test_a_stop_command_that_fails_is_said_in_the_log(write: Write, stack_cli: Cli) -> None:
    source = {"cmd": [sys.executable, str(ENGINE), "--port", "${PORT}"], "check": "/health", "stop": "./no-such-thing"}
    write("embedded", source)
    assert stack_cli("up").returncode == 0
    assert stack_cli("unload", "m").returncode == 0
    assert "no-such-thing cannot be started: No such file or directory; SIGTERM follows" in log_of(stack_cli)


def test_what_is_wrong_with_a_command_is_said_before_anything_starts(write: Write, stack_cli: Cli) -> None:
    def up(source: dict[str, Any], **model: Any) -> tuple[int, str]:
        write("embedded", source, **model)
        done = stack_cli("up")
        return done.returncode, done.stdout + done.stderr

    code, said = up({"cmd": ["srv", "--port", "${PORT}", "${HOME}/x"]})
    assert (code, "models.m.sources.command.cmd.3: knows only ${PORT}" in said) == (3, True)
    code, said = up({"cmd": ["srv", "${PORT}"], "stop": "docker stop ${PID}"})
    assert (code, "models.m.sources.command.stop: knows only ${PORT}" in said) == (3, True)
    code, said = up({"cmd": ["srv", "${PORT}"]}, memory={})
    assert (code, "declare memory.weights" in said) == (4, True)
    code, said = up({"cmd": ["no-such-server", "${PORT}"]})
    assert (code, "no-such-server cannot be started" in said) == (5, True)
    assert stack_cli("down").returncode == 0
    assert stack_cli.home.processes() == []
