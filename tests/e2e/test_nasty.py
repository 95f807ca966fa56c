"""Every nasty value (tests/nasty.py) through everything that starts engines: it arrives byte for byte, or is refused
with its place. What has no manager here to run it is read back by its own parser.

Which values those are is in docs/services.md, by tests/golden/test_nasty_page.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import plistlib
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core import containers
from orchestrator.core.launch import Container
from orchestrator.core.plan import Plan
from orchestrator.core.systemd_units import unit_name
from orchestrator.core.targets.compose import TARGET as COMPOSE
from orchestrator.core.targets.launchd import TARGET as LAUNCHD
from orchestrator.core.targets.llama_swap import TARGET as LLAMA_SWAP
from orchestrator.core.targets.quadlet import TARGET as QUADLET
from orchestrator.core.targets.systemd import TARGET as SYSTEMD
from orchestrator.edge import templates
from orchestrator.edge.run import ready
from orchestrator.edge.run.api import EngineDown
from orchestrator.edge.run.embedded import Embedded
from orchestrator.edge.run.engines import Engines
from orchestrator.edge.run.llama_swap import LlamaSwap
from orchestrator.edge.run.scheduler import Scheduler
from orchestrator.edge.write import write
from tests import nasty, quadlets, systemds
from tests.dockers import Dockerd
from tests.homes import Cli, Home
from tests.plans import SITE

Swap = tuple[str, int] | None
SUPERVISORS = ["embedded", pytest.param("llama-swap", marks=pytest.mark.component("llama-swap"))]
ALL = nasty.Carried(nasty.VALUES, nasty.VALUES, ())
STACK = f"nasty-{os.getpid()}"
CONTAINER = containers.name(STACK, nasty.MODEL)


@pytest.fixture(params=SUPERVISORS)
def swap(request: pytest.FixtureRequest, require: Callable[[str], Path], free_port: Callable[[], int]) -> Swap:
    return (str(require("llama-swap")), free_port()) if request.param == "llama-swap" else None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the child."""
    made = tmp_path / "child"
    made.mkdir()
    nasty.child(made)
    return made


async def start(plan: Plan, folder: Path) -> None:
    """The child ends before it answers: it does not become ready."""
    engines: Engines = Embedded(plan, folder, folder / "logs")
    if plan.swap_port:
        (config,) = LLAMA_SWAP.render(plan, templates.render, SITE)
        path = folder / "config.yaml"
        path.write_text(config.text)
        engines = LlamaSwap(plan, path, folder, folder / "logs")
    scheduler = Scheduler(plan, engines, ready.prove, lambda _: None, lambda _: None, drain=5)
    await scheduler.open()
    try:
        with pytest.raises(EngineDown):
            await scheduler.load(nasty.MODEL)
    finally:
        await scheduler.close()


def test_a_process_of_our_supervisors(swap: Swap, folder: Path, free_port: Callable[[], int]) -> None:
    values = nasty.carried(LLAMA_SWAP) if swap else ALL
    launch = nasty.process(folder, free_port(), values.arguments, values.env)
    asyncio.run(start(nasty.plan(launch, STACK, swap=swap), folder))
    nasty.check(folder, values.arguments, values.env)


@pytest.mark.component("docker")
def test_a_container_of_our_supervisors(
    swap: Swap, docker: Dockerd, folder: Path, free_port: Callable[[], int]
) -> None:
    """The embedded one speaks to docker's API, llama-swap starts `docker run`."""
    values = nasty.carried(LLAMA_SWAP, nasty.container) if swap else ALL
    launch = nasty.container(folder, free_port(), values.arguments, values.env)
    asyncio.run(start(nasty.plan(launch, STACK, swap=swap), folder))
    nasty.check(folder, values.arguments, values.env)


@pytest.mark.parametrize("make", [nasty.process, nasty.container])
def test_llama_swap_refuses_its_own_macros_with_their_places(make: nasty.Make) -> None:
    name = "`${HOME}`"
    said = nasty.carried(LLAMA_SWAP, make)
    assert set(nasty.VALUES) - set(said.arguments) == set(nasty.VALUES) - set(said.env) == {name}
    at, words = f"models.{nasty.MODEL}", "`${` would be a macro of llama-swap"
    variable = list(nasty.VALUES).index(name)
    assert said.refused == (f"{at}: {words}: ${{HOME}}/x", f"{at}.serve.env.NASTY_{variable}: {words}")


def test_the_command_line_says_where_a_macro_is(stack_cli: Cli) -> None:
    shape = {"sources": {"command": {"cmd": ["srv", "${PORT}"]}}, "memory": {"weights": "1MiB"}}
    stack = {"version": 1, "models": {"m": shape | {"serve": {"env": {"A": "${HOME}"}}}}}
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps(stack))
    done = stack_cli("render", "llama-swap")
    assert done.returncode == 3, done.stdout
    assert "models.m.serve.env.A: `${` would be a macro of llama-swap" in done.stderr


@pytest.mark.parametrize("target", ["systemd", "systemd-system"])
def test_the_command_line_says_what_a_unit_cannot_hold(stack_cli: Cli, target: str) -> None:
    shape = {"sources": {"command": {"cmd": ["srv", "${PORT}"]}}, "memory": {"weights": "1MiB"}}
    stack = {"version": 1, "models": {"m": shape | {"serve": {"env": {"A": "a\u0001"}}, "residency": "resident"}}}
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps(stack))
    done = stack_cli("render", target, "--out", "made")
    assert done.returncode == 3, done.stdout
    assert "models.m.serve.env.A: a unit's environment cannot hold this character" in done.stderr
    assert not (stack_cli.home.work / "made").exists()


@contextmanager
def under_systemd(home: Home, unit: str, text: str) -> Iterator[None]:
    """A unit, started by a real systemd of that home's user."""
    units = Path(home.env["XDG_CONFIG_HOME"]) / "systemd/user"
    units.mkdir(parents=True)
    (units / unit).write_text(text)
    with systemds.running(home) as manager:
        manager.systemctl("start", "--no-block", unit)
        yield
        manager.systemctl("stop", unit, check=False)  # it may be between two tries


@pytest.mark.component("systemd")
def test_a_process_of_systemd(stack_home: Home, folder: Path) -> None:
    values = nasty.carried(SYSTEMD)
    launch = nasty.process(folder, 18500, values.arguments, values.env)
    site = replace(SITE, state=str(stack_home.work))
    unit = f"{unit_name('t', containers.slug(nasty.MODEL))}.service"
    made = SYSTEMD.render(nasty.plan(launch, "t", "systemd"), templates.render, site)
    (text,) = [artifact.text for artifact in made if artifact.path == f"systemd/{unit}"]
    with under_systemd(stack_home, unit, text):
        nasty.check(folder, values.arguments, values.env)


@pytest.mark.component("docker", "systemd")
def test_a_container_of_systemd(stack_home: Home, docker: Dockerd, folder: Path, free_port: Callable[[], int]) -> None:
    values = nasty.carried(SYSTEMD, nasty.container)
    launch = nasty.container(folder, free_port(), values.arguments, values.env)
    site = replace(SITE, state=str(stack_home.work), env=(("DOCKER_HOST", docker.host),))
    unit = f"{unit_name(STACK, containers.slug(nasty.MODEL))}.service"
    made = SYSTEMD.render(nasty.plan(launch, STACK, "systemd"), templates.render, site)
    (text,) = [artifact.text for artifact in made if artifact.path == f"systemd/{unit}"]
    with under_systemd(stack_home, unit, text):
        nasty.check(folder, values.arguments, values.env)
    while docker.containers(STACK):  # docker takes away what `docker run --rm` left when its client was stopped
        time.sleep(0.05)


@pytest.mark.component("docker", "compose")
def test_a_container_of_compose(
    docker: Dockerd, folder: Path, tmp_path: Path, require: Callable[[str], Path], free_port: Callable[[], int]
) -> None:
    values = nasty.carried(COMPOSE, nasty.container)
    launch = nasty.container(folder, free_port(), values.arguments, values.env)
    write(COMPOSE.render(nasty.plan(launch, STACK, "compose"), templates.render, SITE), tmp_path, tmp_path / "known")
    compose = [str(require("compose")), "--file", str(tmp_path / "compose/compose.yaml")]
    try:
        argv = [*compose, "up", "--detach", "--no-deps", CONTAINER]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        nasty.check(folder, values.arguments, values.env)
    finally:
        subprocess.run([*compose, "down", "--timeout", "1"], capture_output=True, check=True)


@pytest.mark.component("quadlet", "systemd")
def test_a_container_of_quadlet(stack_home: Home, folder: Path, tmp_path: Path) -> None:
    """The generator's unit under a real systemd; where it would start podman, our child says with what."""
    values = nasty.carried(QUADLET, nasty.container)
    launch = nasty.container(folder, 18500, values.arguments, values.env)
    files = QUADLET.render(nasty.plan(launch, STACK, "quadlet"), templates.render, SITE)
    done = quadlets.generate(quadlets.write(files, tmp_path / "files"), podman=str(folder / nasty.CHILD))
    unit = f"{CONTAINER}.service"
    text = quadlets.text(done, unit).replace(f"Requires=stack-{STACK}-network.service\n", "")
    with under_systemd(stack_home, unit, text):
        argv = nasty.wait(folder)["argv"]
    assert argv[0] == "run"
    assert isinstance(launch.how, Container)
    assert argv[-len(launch.how.argv) :] == list(launch.how.argv)
    told = {argv[i + 1] for i, text in enumerate(argv) if text == "--env"}
    assert {f"{name}={value}" for name, value in launch.env} < told


def test_a_job_of_launchd_is_read_back_by_plistlib(folder: Path) -> None:
    values = nasty.carried(LAUNCHD)
    launch = nasty.process(folder, 18500, values.arguments, values.env)
    *_, job = LAUNCHD.render(nasty.plan(launch, "t", "launchd"), templates.render, SITE)
    read = plistlib.loads(job.text.encode())
    assert isinstance(launch.how, nasty.Process)
    assert read["ProgramArguments"] == list(launch.how.argv)
    assert dict(launch.env).items() <= read["EnvironmentVariables"].items()
