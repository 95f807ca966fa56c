"""What the examples render to for podman: accepted by its real generator, and what that makes by systemd's own check.

No podman runs here: bookworm's has no generator, and the generator's package has none that runs on it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from orchestrator import pipeline
from orchestrator.core import containers
from orchestrator.core.launch import Container
from orchestrator.core.plan import Plan
from orchestrator.core.targets.quadlet import TARGET
from orchestrator.edge import templates
from orchestrator.errors import PlanError
from tests import quadlets
from tests.components import REPOSITORY
from tests.homes import Cli
from tests.plans import SITE

pytestmark = pytest.mark.component("quadlet")
EXAMPLES = sorted(path.parent for path in (REPOSITORY / "examples").glob("*/stack.yaml"))


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    """Of the examples that fit into containers, all at once."""
    found = []
    for example in EXAMPLES:
        with contextlib.suppress(PlanError):
            prepared = pipeline.prepare(example / "stack.yaml", example / "host.json")
            found.append(pipeline.make_plan(prepared, manager="quadlet"))
    assert "server" in {plan.name for plan in found}
    return found


def test_the_generator_starts_what_was_planned(plans: list[Plan], tmp_path: Path) -> None:
    for plan in plans:
        files = quadlets.write(TARGET.render(plan, templates.render, SITE), tmp_path / plan.name)
        units = quadlets.units(quadlets.generate(files))
        engines = [(launch, launch.how) for launch in plan.launches if isinstance(launch.how, Container)]
        names = {containers.name(plan.name, launch.model) for launch, _ in engines}
        assert units.keys() == {f"{name}.service" for name in (*names, f"{plan.tag}-gateway", f"{plan.tag}-network")}
        for launch, how in engines:
            words = quadlets.started(units[f"{containers.name(plan.name, launch.model)}.service"])
            image, *argv = words[-len(how.argv) - 1 :]
            assert tuple(argv) == how.argv
            assert image.endswith(how.image)


@pytest.mark.component("systemd")
def test_systemd_has_nothing_to_say_about_what_it_makes(plans: list[Plan], tmp_path: Path) -> None:
    """The generator hands [Unit], [Service] and [Install] on without looking."""
    for plan in plans:
        files = quadlets.write(TARGET.render(plan, templates.render, SITE), tmp_path / plan.name / "files")
        assert verified(files, tmp_path / plan.name / "units") == ""
    one = next(files.glob("*.container"))
    one.write_text(one.read_text().replace("RestartSec=", "RestartSeconds="))
    assert "RestartSeconds" in verified(files, tmp_path / "wrong")


def verified(files: Path, folder: Path) -> str:
    """What systemd-analyze says of the units that the generator makes of these files."""
    done = quadlets.generate(files, podman="/bin/true")
    folder.mkdir()
    for unit in quadlets.units(done):
        (folder / unit).write_text(quadlets.text(done, unit))
    folder.chmod(0o700)
    argv = ["systemd-analyze", "--user", "verify", *map(str, folder.glob("*.service"))]
    with tempfile.TemporaryDirectory(prefix="sd-", dir="/tmp") as runtime:  # sockets of other units: a short path
        env = os.environ | {"XDG_RUNTIME_DIR": runtime}
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False).stderr


def test_the_command_line_writes_it_and_up_does_not_drive_it(stack_cli: Cli, selftest_gguf: Path) -> None:
    source = {"llama-cpp": {"path": str(selftest_gguf), "engine": {"image": "ghcr.io/x/y:1"}}}
    stack = {"version": 1, "name": "rig", "models": {"m": {"sources": source}}}
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps(stack))
    done = stack_cli("render", "quadlet", "--out", "build")
    assert done.returncode == 0, done.stderr
    assert quadlets.generate(stack_cli.home.work / "build/quadlet").returncode == 0
    done = stack_cli("up", "--target", "quadlet")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "`up` cannot run a stack through quadlet" in done.stderr
