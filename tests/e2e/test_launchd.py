"""A whole stack under tests/fakes/launchctl.py: `up`, kills, a change, `down`. No launchd ran: it is macOS's own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from orchestrator.core.plan import slug
from tests import launchds
from tests.fake_stack import NAME, FakeStack
from tests.homes import Cli, Home

GATEWAY, TINY = f"stack-{NAME}-gateway", f"stack-{NAME}-{slug('tiny')}"
SWAP = f"stack-{NAME}-llama-swap"
UP = ("up", "--target", "launchd")


@pytest.fixture
def launchd(stack_home: Home) -> Iterator[launchds.FakeLaunchd]:
    """In a folder of the PATH that the rendered files give to jobs."""
    with launchds.running(stack_home.path / "launchd", stack_home.path / ".local/bin") as made:
        yield made


@pytest.fixture
def stack(
    stack_home: Home, launchd: launchds.FakeLaunchd, selftest_gguf: Path, free_port: Callable[[], int]
) -> Iterator[FakeStack]:
    env = {"PATH": f"{launchd.bin}:{stack_home.env['PATH']}", "TMPDIR": "/tmp"}
    apple = {name: value for name, value in stack_home.env.items() if name != "XDG_RUNTIME_DIR"} | env
    cli = Cli(replace(stack_home, env=apple))
    made = FakeStack(cli, selftest_gguf, free_port(), free_port())
    made.write()
    yield made
    done = cli("down", "--uninstall")
    assert done.returncode == 0, done.stdout + done.stderr
    assert launchd.jobs() == {}
    assert list((stack_home.path / "Library/LaunchAgents").iterdir()) == []
    assert not cli.close()


def run(stack: FakeStack, *argv: str) -> str:
    done = stack.cli(*argv)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def until(true: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + 60
    while not (found := true()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


def answers(stack: FakeStack) -> bool:
    body = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}
    with contextlib.suppress(httpx.HTTPError):
        return httpx.post(f"{stack.url}/chat/completions", json=body, timeout=60).status_code == 200
    return False


def pids(launchd: launchds.FakeLaunchd) -> dict[str, int]:
    return {name: job["pid"] for name, job in launchd.jobs().items()}


def test_up_twice_then_what_is_killed_comes_back(stack: FakeStack, launchd: launchds.FakeLaunchd) -> None:
    assert "ready at" in run(stack, *UP)
    status = stack.status()
    assert (status["manager"], status["models"][0]["owner"]) == ("launchd", "manager")
    assert pids(launchd) == {GATEWAY: status["pid"], TINY: status["models"][0]["pid"]}
    assert answers(stack)
    assert "nothing to change" in run(stack, *UP)
    before = pids(launchd)

    os.kill(before[GATEWAY], signal.SIGKILL)
    until(lambda: answers(stack), "the gateway did not come back")
    assert pids(launchd)[TINY] == before[TINY], "the engine keeps its weights"
    os.kill(before[TINY], signal.SIGKILL)
    until(lambda: pids(launchd)[TINY] not in (0, before[TINY]), "the engine did not come back")
    until(lambda: answers(stack), "no answer by the new engine")

    assert f"127.0.0.1:{stack.engine_port}" in run(stack, "logs", "tiny")
    run(stack, "restart", "tiny")
    until(lambda: answers(stack), "no answer after a restart")
    run(stack, "down")
    assert launchd.jobs() == {}
    assert launchd.disabled() == {GATEWAY, TINY}
    assert not stack.engine_runs()
    assert not answers(stack)


def test_a_new_alias_starts_the_gateway_alone_and_a_new_flag_the_engine(
    stack: FakeStack, launchd: launchds.FakeLaunchd
) -> None:
    run(stack, *UP)
    before = pids(launchd)
    file = stack.cli.home.work / "stack.yaml"
    data = json.loads(file.read_text())
    data["models"]["tiny"]["aliases"] = ["wee"]
    file.write_text(json.dumps(data))
    rows = {row["subject"]: row["action"] for row in json.loads(run(stack, "plan", "--diff", "--json"))["rows"]}
    written = [Path(subject).name for subject, action in rows.items() if action == "write"]
    assert (rows["tiny"], rows["gateway"], written) == ("unchanged", "restart", [f"{GATEWAY}.plist"])
    run(stack, *UP)
    after = pids(launchd)
    assert after[TINY] == before[TINY]
    assert after[GATEWAY] != before[GATEWAY]
    data["models"]["tiny"]["context"] = 4096
    file.write_text(json.dumps(data))
    run(stack, *UP)
    assert pids(launchd)[TINY] != before[TINY]
    assert answers(stack)


def test_what_is_loaded_on_demand_outlives_a_crash_of_the_gateway(
    stack: FakeStack, launchd: launchds.FakeLaunchd
) -> None:
    stack.model = {"residency": "on-demand"}
    stack.write()
    run(stack, *UP)
    assert list(pids(launchd)) == [GATEWAY]
    assert answers(stack)
    engine, daemon = stack.engine_pid(), pids(launchd)[GATEWAY]
    os.kill(daemon, signal.SIGKILL)
    until(lambda: pids(launchd)[GATEWAY] not in (0, daemon), "the gateway did not come back")
    until(lambda: answers(stack), "no answer after the crash")
    assert stack.engine_pid() == engine, "it was taken up, not started anew"
    run(stack, "down")
    assert not stack.engine_runs()


@pytest.mark.component("llama-swap")
def test_llama_swap_is_a_job_of_its_own(stack: FakeStack, launchd: launchds.FakeLaunchd) -> None:
    stack.model, stack.top = {"residency": "on-demand"}, {"supervisor": "llama-swap"}
    stack.write()
    run(stack, *UP)
    assert sorted(pids(launchd)) == [GATEWAY, SWAP]
    assert answers(stack)
    before = pids(launchd)
    os.kill(before[GATEWAY], signal.SIGKILL)
    until(lambda: pids(launchd)[GATEWAY] not in (0, before[GATEWAY]), "the gateway did not come back")
    until(lambda: answers(stack), "no answer after the crash")
    assert pids(launchd)[SWAP] == before[SWAP], "it was known by its marker"


def test_a_file_edited_by_hand_is_exit_8_and_nothing_stops(stack: FakeStack, launchd: launchds.FakeLaunchd) -> None:
    run(stack, *UP)
    before = pids(launchd)
    file = stack.cli.home.path / f"Library/LaunchAgents/{TINY}.plist"
    file.write_text(file.read_text().replace("Interactive", "Background"))
    done = stack.cli(*UP)
    assert (done.returncode, str(file) in done.stderr) == (8, True)
    assert pids(launchd) == before


def test_without_launchd_it_is_said(fake_stack: Callable[..., FakeStack]) -> None:
    done = fake_stack().cli(*UP)
    assert (done.returncode, "launchd is not here: it is macOS's" in done.stderr) == (4, True)
