"""`stack exec`: a process becomes an engine of a plan, as the units of Nix's modules start it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from orchestrator.core.launch import Attach, Launch, Process, marker
from orchestrator.core.plan import Plan
from orchestrator.core.planner.plan_json import plan_from_json, plan_to_json
from tests import dockers
from tests.fake_stack import NAME as FAKE
from tests.fake_stack import Make
from tests.gateways import eventually
from tests.homes import Background, Cli
from tests.names import apart
from tests.plans import contained, fake, plan_of

NAME = apart("exec", "theirs", "own", "cloud")
Port = Callable[[], int]


def write(cli: Cli, *launches: Launch, **changes: Any) -> Plan:
    """The plan, in plan.json of the working folder: as no stack's state has it."""
    made = replace(plan_of(*launches, name=NAME), **{"manager": "systemd", **changes})
    (cli.home.work / "plan.json").write_text(plan_to_json(made))
    return made


def managed(launch: Launch) -> Launch:
    return replace(launch, owner="manager")


def start(cli: Cli, model: str = "theirs", env: dict[str, str] | None = None) -> Background:
    return cli.start("exec", "--plan", "plan.json", model, env=env)


def answers(launch: Launch) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{launch.port}/health", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_process_is_the_engine(stack_cli: Cli, free_port: Port) -> None:
    theirs = managed(fake("theirs", free_port(), env=(("THEIR_OWN", "a b"),)))
    write(stack_cli, theirs)
    begun = start(stack_cli, env={"STRAY_OF_THE_SHELL": "1"})
    eventually(lambda: answers(theirs))
    process = psutil.Process(begun.process.pid)
    assert isinstance(theirs.how, Process)
    assert tuple(process.cmdline()) == theirs.how.argv
    env = process.environ()
    assert env["STACK_RUN"] == marker(NAME, theirs)
    assert env["STACK_STATE"] == os.path.realpath(stack_cli.home.state)
    assert (env["THEIR_OWN"], env["HOME"]) == ("a b", str(stack_cli.home.path))
    assert "STRAY_OF_THE_SHELL" not in env
    assert process.cwd() == os.path.realpath(stack_cli.home.state / NAME)
    begun.process.send_signal(signal.SIGTERM)
    begun.process.wait(20)


def test_its_gateway_serves_it_and_leaves_it_alone(fake_stack: Make) -> None:
    stack = fake_stack(top={"service": "login"})
    cli = stack.cli
    done = cli("plan", "--json", "--managed", "tiny")
    assert done.returncode == 0, done.stderr
    elsewhere = cli.home.work / "store" / "plan.json"
    elsewhere.parent.mkdir()
    elsewhere.write_text(done.stdout)
    engine = cli.start("exec", "--plan", str(elsewhere), "tiny")
    eventually(lambda: answers(plan_from_json(done.stdout).launch("tiny")))
    gateway = cli.start("serve", "--plan", str(elsewhere), "--name", FAKE)
    eventually(lambda: cli("status", "--json").returncode == 0 and stack.status()["ready"])
    (row,) = stack.status()["models"]
    assert (row["owner"], row["state"], row["pid"]) == ("manager", "ready", engine.process.pid)
    assert (cli.home.state / FAKE / "plan.json").read_text() == done.stdout
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(30) == 0
    assert engine.process.poll() is None


def test_a_gateway_of_a_new_plan_ends_what_the_old_one_started(fake_stack: Make) -> None:
    stack = fake_stack(top={"service": "login"})
    cli = stack.cli
    plans = [cli.home.work / "store" / name for name in ("a.json", "b.json")]
    plans[0].parent.mkdir()
    plans[0].write_text(cli("plan", "--json").stdout)
    stack.model = {"context": 4096}
    stack.write()
    plans[1].write_text(cli("plan", "--json").stdout)
    launches = [plan_from_json(file.read_text()).launch("tiny") for file in plans]
    assert launches[0].hash != launches[1].hash
    old = cli.start("exec", "--plan", str(plans[0]), "tiny")
    eventually(lambda: answers(launches[0]))
    gateway = cli.start("serve", "--plan", str(plans[1]), "--name", FAKE)
    assert old.process.wait(30) is not None
    eventually(lambda: "tiny runs by an earlier plan" in gateway.err.read_text())


def test_a_plan_of_another_name_is_not_served(stack_cli: Cli, free_port: Port) -> None:
    write(stack_cli, managed(fake("theirs", free_port())))
    done = stack_cli("serve", "--plan", "plan.json", "--name", "other")
    assert (done.returncode, f"is the plan of {NAME}, not of other" in done.stderr) == (2, True)


def test_what_is_not_to_be_started_here(stack_cli: Cli, free_port: Port) -> None:
    cloud = replace(fake("cloud", 1), how=Attach("http://127.0.0.1:9/v1"), port=None, owner="external")
    write(stack_cli, managed(fake("theirs", free_port())), fake("own", free_port()), cloud)

    def said(*argv: str) -> tuple[int, str]:
        done = stack_cli("exec", *argv)
        return done.returncode, done.stderr

    code, words = said("--plan", "plan.json", "their")
    assert (code, words) == (2, f"stack: the plan of {NAME} has no model their\n   models: theirs, own, cloud\n")
    code, words = said("--plan", "plan.json", "own")
    assert (code, words.splitlines()[-1]) == (4, "   `residency: resident`")
    code, words = said("--plan", "plan.json", "cloud")
    assert (code, "is served at http://127.0.0.1:9/v1: there is nothing to start" in words) == (4, True)
    code, words = said("--plan", "plan.json", "@llama-swap")
    assert (code, "does not use llama-swap" in words) == (4, True)
    code, words = said("--plan", "none.json", "own")
    assert (code, words) == (4, "stack: none.json: cannot be read: No such file or directory\n")
    (stack_cli.home.work / "broken.json").write_text("{}")
    code, words = said("--plan", "broken.json", "own")
    assert (code, "broken.json: is no plan of this version" in words) == (4, True)


def test_a_taken_port_names_its_holder(stack_cli: Cli, free_port: Port) -> None:
    theirs = managed(fake("theirs", free_port()))
    write(stack_cli, theirs)
    first = start(stack_cli)
    eventually(lambda: answers(theirs))
    second = stack_cli("exec", "--plan", "plan.json", "theirs")
    assert second.returncode == 5
    assert f"port {theirs.port} for model theirs is taken by pid {first.process.pid}" in second.stderr


def test_an_engine_that_is_gone(stack_cli: Cli, free_port: Port) -> None:
    write(stack_cli, replace(managed(fake("theirs", free_port())), how=Process(("/nowhere/llama-server",))))
    done = stack_cli("exec", "--plan", "plan.json", "theirs")
    assert done.returncode == 5
    assert "/nowhere/llama-server cannot be started: No such file or directory" in done.stderr


def test_stop_runs_the_stop_command_and_else_nothing(stack_cli: Cli, free_port: Port) -> None:
    theirs, own = managed(fake("theirs", free_port())), managed(fake("own", free_port()))
    assert isinstance(theirs.how, Process)
    stop = (sys.executable, "-c", "import os; open('stopped', 'w').write(os.environ['STACK_RUN'])")
    theirs = replace(theirs, how=replace(theirs.how, stop=stop))
    write(stack_cli, theirs, own)
    for model in ("theirs", "own", "@llama-swap"):
        assert stack_cli("exec", "--plan", "plan.json", model, "--stop").returncode == 0
    assert (stack_cli.home.state / NAME / "stopped").read_text() == marker(NAME, theirs)


@pytest.mark.component("docker")
def test_a_container_runs_in_the_foreground(stack_cli: Cli, docker: dockers.Dockerd, free_port: Port) -> None:
    theirs = managed(contained(fake("theirs", free_port())))
    write(stack_cli, theirs)
    env = {"DOCKER_HOST": docker.host}
    first = start(stack_cli, env=env)
    eventually(lambda: answers(theirs))
    first.process.kill()  # docker's own command dies, its container does not
    first.process.wait()
    (old,) = _running(docker)
    assert answers(theirs)
    second = start(stack_cli, env=env)
    eventually(lambda: _running(docker) not in ([], [old]) and answers(theirs))
    assert second.process.poll() is None
    done = stack_cli("exec", "--plan", "plan.json", "theirs", "--stop", env=env)
    assert done.returncode == 0, done.stderr
    assert second.process.wait(30) is not None
    assert _running(docker) == []


def _running(docker: dockers.Dockerd) -> list[str]:
    env = os.environ | {"DOCKER_HOST": docker.host}
    done = subprocess.run(
        ["docker", "ps", "-q", "--filter", f"label=stack.name={NAME}"], env=env, capture_output=True, text=True
    )
    return done.stdout.split()


@pytest.mark.component("llama-swap")
def test_llama_swap_as_a_unit(stack_cli: Cli, free_port: Port, require: Callable[[str], Path]) -> None:
    port = free_port()
    made = plan_of(fake("own", free_port()), name=NAME, swap=(str(require("llama-swap")), port))
    (stack_cli.home.work / "plan.json").write_text(plan_to_json(replace(made, manager="systemd")))
    begun = start(stack_cli, "@llama-swap")
    eventually(lambda: _version(port) == 200)
    config = (stack_cli.home.state / NAME / "exec" / "llama-swap.yaml").read_bytes()
    digest = hashlib.sha256(config).hexdigest()[:12]
    assert psutil.Process(begun.process.pid).environ()["STACK_RUN"] == f"{NAME}/@llama-swap/{digest}"


def _version(port: int) -> int:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/version", trust_env=False).status_code
    except httpx.HTTPError:
        return 0
