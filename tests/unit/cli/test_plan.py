"""`stack plan` as a whole process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.host_json import host_to_json
from orchestrator.core.planner.plan_json import plan_from_json
from tests.components import REPOSITORY
from tests.homes import Cli
from tests.planned import GIB, linux


@pytest.fixture
def studio(stack_cli: Cli) -> Cli:
    """The folder of the example, with its host.json."""
    for name in ("stack.yaml", "host.json"):
        shutil.copy(REPOSITORY / "examples/mac-studio" / name, stack_cli.home.work)
    return stack_cli


def small(cli: Cli, memory: int) -> None:
    """The self-test model on a machine of so much memory."""
    model: dict[str, Any] = {"sources": {"mlx-lm": {"path": str(REPOSITORY / "models/selftest")}}, "context": 8192}
    (cli.home.work / "stack.yaml").write_text(json.dumps({"version": 1, "name": "t", "models": {"tiny": model}}))
    (cli.home.work / "host.json").write_text(host_to_json(linux(memory)))


def test_the_same_bytes_each_time_and_options_before_or_after(studio: Cli) -> None:
    first = studio("plan", "--host", "host.json", "--json")
    assert first.returncode == 0, first.stderr
    second = studio("--json", "--host", "host.json", "plan")
    assert second.stdout == first.stdout
    golden = (REPOSITORY / "tests/golden/mac-studio/plan.json").read_text()
    assert plan_from_json(first.stdout) == plan_from_json(golden)


def test_for_people_each_decision_has_its_reason(studio: Cli) -> None:
    done = studio("plan", "--host", "host.json")
    words = " ".join(done.stdout.split())
    assert "backend vllm-mlx 0.6.0 (first in `selection`)" in words
    assert "glm-4.5-air on mlx-lm: needs" in words
    assert "glm-4.5-air evicts gpt-oss-120b" in words


def test_what_does_not_fit_is_exit_4_at_its_line_and_force_overrules(stack_cli: Cli) -> None:
    small(stack_cli, GIB // 64)
    done = stack_cli("plan", "--host", "host.json")
    assert done.returncode == 4
    assert "stack.yaml:1: models.tiny: does not fit" in done.stderr
    assert "--force tiny" in done.stderr
    forced = stack_cli("plan", "--host", "host.json", "--force", "tiny", "--json")
    assert forced.returncode == 0, forced.stderr
    assert json.loads(forced.stdout)["forced"] == ["tiny"]


def test_errors_with_json_are_json(stack_cli: Cli) -> None:
    small(stack_cli, GIB // 64)
    done = stack_cli("plan", "--host", "host.json", "--json")
    assert done.returncode == 4
    found = json.loads(done.stdout)
    assert (found["exit"], found["problems"][0]["where"]) == (4, "models.tiny")


def test_diff_against_nothing_starts_what_is_resident(stack_cli: Cli) -> None:
    small(stack_cli, 16 * GIB)
    done = stack_cli("plan", "--diff", "--host", "host.json", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["changed"] is True
    assert {row["subject"]: row["action"] for row in found["rows"]} == {"tiny": "start", "gateway": "start"}
    assert "tiny     start" in stack_cli("plan", "--diff", "--host", "host.json").stdout


def test_it_writes_nothing(stack_cli: Cli) -> None:
    small(stack_cli, 16 * GIB)
    stack_cli("plan", "--host", "host.json")
    assert not stack_cli.home.state.exists()
    assert sorted(path.name for path in Path(stack_cli.home.work).iterdir()) == ["host.json", "stack.yaml"]


def test_a_build_that_declares_units_for_other_models_is_told_both_lists(studio: Cli) -> None:
    file = studio.home.work / "stack.yaml"
    file.write_text(f"service: login\n{file.read_text()}")
    made = studio("plan", "--host", "host.json", "--json")
    wanted = plan_from_json(made.stdout).managed
    right = studio("plan", "--host", "host.json", "--json", "--managed", " ".join(reversed(wanted)))
    assert (right.returncode, right.stdout) == (0, made.stdout)
    done = studio("plan", "--host", "host.json", "--json", "--managed", "")
    found = json.loads(done.stdout)
    assert (done.returncode, found["error"]) == (4, "the units are not those of the plan")
    assert found["details"] == [
        "units are declared for: no model",
        f"the plan wants units for: {', '.join(sorted(wanted))}",
    ]
