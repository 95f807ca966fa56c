"""The straight line with the real files of this repository; the engines are those of a host file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from orchestrator import pipeline
from orchestrator.core.host_json import host_to_json
from orchestrator.core.plan import Plan
from orchestrator.core.planner.plan_json import plan_from_json, plan_to_json
from orchestrator.edge.discover import targets
from orchestrator.edge.paths import StackPaths
from orchestrator.errors import Drift, PlanError, SpecError
from tests.components import REPOSITORY
from tests.planned import SWAP, linux, local, planned, stack


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, selftest_model: Path) -> Path:
    """A folder with the root stack.yaml, the self-test model and a host.json that has every engine."""
    for variable in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "HF_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    folder = tmp_path / "work"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "selftest").symlink_to(selftest_model)
    shutil.copy(REPOSITORY / "stack.yaml", folder)
    (folder / "host.json").write_text(host_to_json(linux()))
    return folder


def prepared(work: Path) -> pipeline.Prepared:
    return pipeline.prepare(work / "stack.yaml", work / "host.json")


def test_from_the_file_to_the_plan(work: Path) -> None:
    made = pipeline.make_plan(prepared(work))
    launch = made.launch("selftest")
    assert launch.backend == "mlx-lm"
    assert launch.weights == str(work / "models/selftest")
    assert launch.tools.tool_parser == "json_tools"
    assert "tools" in launch.capabilities
    assert made.default == "selftest"
    assert pipeline.name_of(work / "stack.yaml") == made.name


@pytest.mark.parametrize("backend", ["mlx-lm", "vllm-mlx", "llama-cpp"])
def test_each_backend_of_the_root_stack_fits_the_self_test_model(work: Path, backend: str) -> None:
    text = (work / "stack.yaml").read_text().replace("[mlx-lm, vllm-mlx, llama-cpp]", f"[{backend}]")
    (work / "stack.yaml").write_text(text)
    launch = pipeline.make_plan(prepared(work)).launch("selftest")
    assert (launch.backend, launch.serving.context) == (backend, 8192)
    assert launch.memory[0].weights > 1_000_000


def test_problems_have_their_line(work: Path) -> None:
    file = work / "stack.yaml"
    file.write_text(
        file.read_text().replace("concurrency: 2 ", "concurrency: 2\n      extra_args: [--port, '1']\n      #")
    )
    with pytest.raises(PlanError) as caught:
        pipeline.make_plan(prepared(work))
    (problem,) = caught.value.problems
    assert problem.line is not None
    assert "extra_args" in problem.excerpt


def test_missing_weights_name_the_line_of_the_path(work: Path) -> None:
    file = work / "stack.yaml"
    file.write_text(file.read_text().replace("mlx-lm: {path: ./models/selftest}", "mlx-lm: {path: ./models/none}"))
    with pytest.raises(PlanError) as caught:
        pipeline._inspect(prepared(work).loaded)
    (problem,) = caught.value.problems
    assert problem.where == "models.selftest.sources.mlx-lm.path"
    assert "./models/none" in problem.excerpt


def test_install_writes_what_the_daemon_starts_from(work: Path) -> None:
    made = planned(stack({"m": local()}, supervisor="llama-swap"), linux(swap=SWAP))
    paths = StackPaths("t")
    digest = pipeline.install(made, paths)
    assert plan_from_json(paths.plan.read_text()) == made
    assert paths.plan.stat().st_mode & 0o777 == 0o600
    config = paths.artifacts / "llama-swap/config.yaml"
    assert config.exists()
    assert pipeline.install(made, paths) == digest
    config.write_text("# mine\n")
    with pytest.raises(Drift):
        pipeline.install(made, paths)
    pipeline.install(made, paths, force=True)
    embedded = planned(stack({"m": local()}))
    assert pipeline.install(embedded, paths) != digest
    assert not config.exists()


def test_unknown_weights_are_refused_only_when_it_is_to_run() -> None:
    made = planned(stack({"m": {"sources": {"mlx-lm": {"repo": "org/m"}}}}))
    with pytest.raises(PlanError) as caught:
        pipeline.refuse_unknown_weights(made)
    assert caught.value.problems[0].where == "models.m"
    pipeline.refuse_unknown_weights(planned(stack({"m": local()})))


def test_a_host_file_with_weights_needs_nothing_of_this_machine(work: Path) -> None:
    example = REPOSITORY / "examples/mac-studio"
    found = pipeline.prepare(example / "stack.yaml", example / "host.json")
    assert found.foreign
    # flags that the file leaves out are those that ship with the package, of the same version
    assert "--prompt-cache-bytes" in found.host.engines["mlx-lm"].flags
    assert len(pipeline.wanted(found)) == 4
    assert pipeline.with_weights(found) is found


def in_an_image(folder: Path, arguments: str, image: str) -> Plan:
    """The workstation's plan, with `extra_args` for a model that runs in that image."""
    example, serve = REPOSITORY / "examples/cuda-workstation", "serve: {concurrency: 8, queue: 32"
    text = (example / "stack.yaml").read_text()
    assert serve in text
    text = text.replace(serve, f"{serve}, extra_args: [{arguments}]")
    (folder / "stack.yaml").write_text(text.replace("vllm/vllm-openai:v0.32.0", image))
    return pipeline.make_plan(pipeline.prepare(folder / "stack.yaml", example / "host.json"))


def test_flags_for_an_image_are_checked_against_the_list_of_the_version_in_its_tag(tmp_path: Path) -> None:
    image = f"mirror.example.com/vllm:v0.32.0@sha256:{'0' * 64}"
    with pytest.raises(PlanError) as caught:
        in_an_image(tmp_path, "--enforce-eagre", image)
    (problem,) = caught.value.problems
    assert problem.where == "models.qwen3-coder-30b.serve.extra_args.0"
    assert "extra_args" in problem.excerpt
    assert problem.text == f"vllm {image} has no flag --enforce-eagre"
    assert problem.mend == "did you mean --enforce-eager?"
    good = in_an_image(tmp_path, "--enforce-eager", image)
    assert not [warning for warning in good.warnings if "extra_args" in warning]
    assert plan_to_json(good) == plan_to_json(in_an_image(tmp_path, "--enforce-eager", image))


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("vllm/vllm-openai:v0.31.1", "no list of vllm 0.31.1 ships with this package"),
        ("vllm/vllm-openai:nightly", "the image's tag says no version"),
    ],
)
def test_flags_for_an_image_of_another_version_are_not_checked_and_the_plan_says_why(
    tmp_path: Path, image: str, why: str
) -> None:
    made = in_an_image(tmp_path, "--enforce-eagre", image)
    told = [warning for warning in made.warnings if "extra_args" in warning]
    words = f"extra_args are not checked: the flags of vllm {image} are not known ({why})"
    assert told == [f"qwen3-coder-30b: {words}"]


def test_a_broken_host_file_is_an_error(work: Path) -> None:
    (work / "host.json").write_text("{")
    with pytest.raises(PlanError, match="is not JSON"):
        prepared(work)
    with pytest.raises(PlanError, match="cannot be read"):
        pipeline.prepare(work / "stack.yaml", work / "none.json")
    with pytest.raises(SpecError):
        pipeline.prepare(work / "none.yaml")


def test_a_target_renders_through_the_templates(work: Path) -> None:
    made = pipeline.make_plan(prepared(work))
    (artifact,) = pipeline.render(made, targets()["llama-swap"])
    assert "selftest" in artifact.text
    assert json.loads(host_to_json(made.host))["engines"].keys() == linux().engines.keys()
