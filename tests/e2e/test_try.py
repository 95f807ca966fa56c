"""`stack try` on fake engines, real processes: beside what runs, instead of it, alone; and whatever ends it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import yaml

from tests.fake_stack import ENGINE, NAME, FakeStack, Make
from tests.gateways import eventually
from tests.homes import Cli

pytestmark = pytest.mark.usefixtures("one_try")
WRAPPER = """#!{python}
import os, sys
if "--help" in sys.argv:
    print("usage: llama-server\\n" + "\\n".join(f"  {{name}} X   text" for name in {flags!r}))
    raise SystemExit
def given(*names):
    return [word for name in names if name in sys.argv for word in sys.argv[sys.argv.index(name):][:2]]
alone = [name for name in ("--exit-at-once", "--never-ready") if name in sys.argv]
options = given("--port", "--fault", "--token-delay", "--start-delay")
os.execv({python!r}, [{python!r}, {engine!r}, *options, *alone])
"""
FLAGS = ("--fault", "--token-delay", "--start-delay", "--exit-at-once", "--never-ready")
Tried = Callable[..., FakeStack]


@pytest.fixture
def tried(fake_stack: Make) -> Tried:
    """A stack whose fake engine takes its faults as flags, and lists them in its help."""

    def make(**changes: Any) -> FakeStack:
        stack = fake_stack(**changes)
        with_flags(stack)
        return stack

    return make


def with_flags(stack: FakeStack) -> None:
    """Each `write()` writes an engine that takes none."""
    (launch,) = json.loads(stack.cli("plan", "--json").stdout)["launches"]
    known = sorted({word for word in launch["how"]["argv"] if word.startswith("-")} | set(FLAGS))
    binary = stack.cli.home.work / "llama-server"
    binary.write_text(WRAPPER.format(python=sys.executable, engine=str(ENGINE), flags=known))


def engines(cli: Cli) -> dict[str, psutil.Process]:
    """Fake engines that run: the value of STACK_RUN without its hash -> process."""
    found = {}
    for process in cli.home.processes():
        with contextlib.suppress(psutil.Error, KeyError):  # between fork and exec a process has no environment
            if str(ENGINE) in process.cmdline():
                found[process.environ()["STACK_RUN"].rpartition("/")[0]] = process
    return found


def test_the_one_with_a_fault_loses_against_the_present_one(tried: Tried) -> None:
    stack = tried()
    assert stack.cli("up").returncode == 0
    pid, file = stack.engine_pid(), (stack.cli.home.work / "stack.yaml").read_text()
    words = ("--tier", "quick", "--save", "report.html", "--json", "--", "--fault", "silent_drop")
    done = stack.cli("try", "default", *words)
    told = json.loads(done.stdout)
    assert (done.returncode, told["a"]["verdict"], told["b"]["verdict"]) == (6, "fail", "pass")
    assert (told["a"]["model"], told["b"]["model"], told["tried"]["instead"]) == ("tiny (tried)", "tiny", False)
    assert {one["seed"] for one in told["a"]["episodes"]} == {one["seed"] for one in told["b"]["episodes"]}
    assert told["keep"] == {"models": {"tiny": {"serve": {"extra_args": ["--fault", "silent_drop"]}}}}
    assert list(engines(stack.cli)) == [f"{NAME}/tiny"]
    assert (stack.engine_pid(), stack.status()["ready"]) == (pid, True)
    assert (stack.cli.home.work / "stack.yaml").read_text() == file
    assert (stack.cli.home.work / "report.html").exists()


def test_without_a_running_stack_it_is_probed_alone(tried: Tried) -> None:
    stack = tried()
    stack.model["serve"] = {"extra_args": ["--token-delay", "0.001"]}
    stack.write()
    with_flags(stack)
    tried_again = stack.cli("try", "tiny", "--tier", "quick", "--context", "4096", "--", "--token-delay", "0")
    assert (tried_again.returncode, "tiny (tried): pass" in tried_again.stdout) == (0, True)
    assert "nothing to compare it with" in tried_again.stderr
    kept = yaml.safe_load(tried_again.stdout.partition("stack.yaml:\n\n")[2])
    changes = {"context": 4096, "serve": {"extra_args": ["--token-delay", "0"]}}
    assert kept == {"models": {"tiny": changes}}
    assert stack.cli.home.processes() == []


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--", "--falt", "x"), 4, "-- --falt: llama-cpp"),
        (("--", "--port", "1"), 4, "-- --port: --port is set by `serve.port`"),
        (("--backend", "mlx-lm"), 2, "tiny has no source for mlx-lm"),
        (("--kv-dtype", "q9"), 2, "models.tiny.memory.kv_dtype"),
        ((), 2, "there is nothing to try"),
        (("--", "--exit-at-once"), 5, "exited with 2"),
    ],
)
def test_what_cannot_be_tried_is_said_and_leaves_nothing(tried: Tried, flags: Any, code: int, words: str) -> None:
    stack = tried()
    done = stack.cli("try", "tiny", "--tier", "quick", *flags)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert stack.cli.home.processes() == []


@pytest.mark.parametrize(
    ("number", "flags"), [(signal.SIGINT, ("--token-delay", "0.02")), (signal.SIGTERM, ("--start-delay", "60"))]
)
def test_an_interrupt_ends_the_ephemeral_engine_alone(tried: Tried, number: int, flags: Any) -> None:
    stack = tried()
    assert stack.cli("up").returncode == 0
    going = stack.cli.start("try", "tiny", "--", *flags)
    eventually(lambda: f"{NAME}/@try/tiny" in engines(stack.cli))
    assert stack.cli("up").returncode == 7
    going.process.send_signal(number)
    assert going.process.wait(60) == 130
    assert list(engines(stack.cli)) == [f"{NAME}/tiny"]
    assert stack.status()["ready"]


@pytest.mark.parametrize("verb", ["up", "down"])
def test_what_a_kill_9_leaves_is_swept_by_the_next_command(tried: Tried, verb: str) -> None:
    stack = tried()
    assert stack.cli("up").returncode == 0
    going = stack.cli.start("try", "tiny", "--", "--token-delay", "0.02")
    eventually(lambda: f"{NAME}/@try/tiny" in engines(stack.cli))
    os.kill(going.process.pid, signal.SIGKILL)
    going.process.wait(10)
    orphan = engines(stack.cli)[f"{NAME}/@try/tiny"]
    assert stack.cli(verb).returncode == 0
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert list(engines(stack.cli)) == ([] if verb == "down" else [f"{NAME}/tiny"])


def test_what_does_not_fit_beside_it_runs_instead_of_it(tried: Tried) -> None:
    stack = tried()
    host = json.loads(stack.cli("host", "--json").stdout)
    plan = json.loads(stack.cli("plan", "--json").stdout)
    need = sum(plan["launches"][0]["memory"][0][part] for part in ("weights", "kv"))
    stack.top = {"budget": {"host": {"reserve": host["memory"] - need - need // 2}}}
    stack.write()
    with_flags(stack)
    assert stack.cli("up").returncode == 0
    first = stack.engine_pid()
    words = ("try", "tiny", "--tier", "quick")
    done = stack.cli(*words, "--", "--token-delay", "0")
    assert (done.returncode, "--instead unloads tiny for the time" in done.stderr) == (4, True)
    assert stack.engine_pid() == first
    done = stack.cli(*words, "--instead", "--json", "--", "--token-delay", "0")
    told = json.loads(done.stdout)
    assert (done.returncode, told["a"]["verdict"], told["b"]["verdict"]) == (0, "pass", "pass")
    assert told["tried"]["instead"]
    assert list(engines(stack.cli)) == [f"{NAME}/tiny"]
    assert stack.engine_pid() != first
    failed = stack.cli(*words, "--instead", "--", "--exit-at-once")
    assert (failed.returncode, stack.status()["models"][0]["state"]) == (5, "ready")
