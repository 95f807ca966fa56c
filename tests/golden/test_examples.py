"""Every example is loaded, planned for its own host.json and rendered, on whatever machine this is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from orchestrator import pipeline
from orchestrator.cli.plan_view import lines
from orchestrator.core.plan import CONTAINED, Plan
from orchestrator.core.planner.plan_json import plan_from_json, plan_to_json
from orchestrator.core.stackfile.notyet import not_yet
from orchestrator.core.swap_config import Config
from orchestrator.core.target import Artifact, Target
from orchestrator.edge import templates
from orchestrator.edge.discover import targets
from orchestrator.errors import PlanError
from tests import goldens
from tests.components import REPOSITORY
from tests.plans import SITE

EXAMPLES = sorted(path.parent for path in (REPOSITORY / "examples").glob("*/stack.yaml"))
GOLDEN = Path(__file__).parent


def plan_of(example: Path) -> Plan:
    return pipeline.make_plan(pipeline.prepare(example / "stack.yaml", example / "host.json"))


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.name)
def example(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.mark.golden
def test_the_plan_as_json_and_for_people(example: Path) -> None:
    made = plan_of(example)
    text = plan_to_json(made)
    assert plan_from_json(text) == made
    goldens.check(GOLDEN / example.name / "plan.json", text)
    goldens.check(GOLDEN / example.name / "plan.txt", "\n".join(lines(made, 120)) + "\n")


@pytest.mark.golden
def test_what_it_renders_to(example: Path) -> None:
    """On a machine of nobody's. What compose renders lies in compose/, for people to look at."""
    prepared = pipeline.prepare(example / "stack.yaml", example / "host.json")
    for target in targets().values():
        if target.implemented and prepared.host.system in target.systems:
            for artifact in rendered(prepared, target):
                shown = REPOSITORY / "compose" / example.name / Path(artifact.path).name
                place = shown if target.name == "compose" else GOLDEN / example.name / artifact.path
                goldens.check(place, artifact.text)


def rendered(prepared: pipeline.Prepared, target: Target) -> tuple[Artifact, ...]:
    """Nothing where an example has a model that no container can run, or that fits only in turns."""
    try:
        return target.render(pipeline.make_plan(prepared, manager=target.manager), templates.render, SITE)
    except PlanError:
        assert target.manager in CONTAINED
        return ()


def test_an_example_shows_what_compose_renders() -> None:
    found = sorted(path.parent.name for path in (REPOSITORY / "compose").glob("*/compose.yaml"))
    assert found == ["cuda-server"]


def test_a_golden_is_never_the_only_check(example: Path) -> None:
    made = plan_of(example)
    (artifact,) = pipeline.render(made, targets()["llama-swap"])
    assert Config.model_validate(yaml.safe_load(artifact.text)).models.keys() == {
        launch.model for launch in made.launches if launch.owner != "external"
    }


def test_an_example_uses_nothing_of_a_later_version(example: Path) -> None:
    stack = pipeline.prepare(example / "stack.yaml", example / "host.json").loaded.stack
    assert not_yet(stack) == ()


def test_planning_twice_gives_the_same_bytes(example: Path) -> None:
    assert plan_to_json(plan_of(example)) == plan_to_json(plan_of(example))
