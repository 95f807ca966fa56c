"""What the facade does without anything that runs; with engines: tests/e2e/test_api.py."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest

from orchestrator import api
from orchestrator.api import Stack
from orchestrator.edge.control.client import NotRunning
from orchestrator.errors import PlanError, SpecError, UsageError
from tests.planned import local

MODEL = {"m": local("weights")}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        (tmp_path / variable.lower()).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))


def test_the_exported_names_are_there() -> None:
    assert all(hasattr(api, name) for name in api.__all__)
    assert "Stack" in api.__all__


def test_a_file_a_text_and_a_dict_say_the_same(tmp_path: Path) -> None:
    text = "version: 1\nname: one\nmodels: {m: {sources: {mlx-lm: {path: weights}}}}\n"
    (tmp_path / "stack.yaml").write_text(text)
    made = [
        Stack(tmp_path / "stack.yaml"),
        Stack.from_text(text, folder=tmp_path),
        Stack.from_dict({"version": 1, "name": "one", "models": MODEL}, folder=tmp_path),
        Stack.from_dict({"version": 1, "name": "one", "models": {"m": local(Path("weights"))}}, folder=tmp_path),  # type: ignore[arg-type]
    ]
    assert {one.name for one in made} == {"one"}
    assert len({one._loaded.stack.model_dump_json() for one in made}) == 1
    assert made[0]._loaded.stack.models["m"].ordered_sources()[0][2].path == str(tmp_path / "weights")
    assert made[0].endpoint == "http://127.0.0.1:8484/v1"


def test_the_name_of_a_dict_is_of_its_folder_and_not_that_of_a_file_there(tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text("version: 1\nmodels: {m: {sources: {mlx-lm: {path: weights}}}}\n")
    data: dict[str, Any] = {"version": 1, "models": MODEL}
    names = {Stack.from_dict(data, folder=tmp_path).name, Stack(tmp_path / "stack.yaml").name}
    assert len(names) == 2
    assert Stack.from_dict(data, folder=tmp_path).name in names


def test_what_is_wrong_is_in_the_traceback() -> None:
    with pytest.raises(SpecError) as caught:
        Stack.from_dict({"version": 1, "models": {"m": local(serve={"prot": 1})}})
    (problem,) = caught.value.problems
    assert (problem.where, problem.line, problem.excerpt) == ("models.m.serve.prot", None, "")
    assert "models.m.serve.prot: unknown key (did you mean `port`?)" in "".join(
        traceback.format_exception(caught.value)
    )
    with pytest.raises(SpecError) as caught:
        Stack.from_text("version: 1\nmodels:\n  m: {sources: {mlx-lm: {pth: a}}}\n")
    assert caught.value.problems[0].line == 3
    with pytest.raises(UsageError, match="no data for a"):
        Stack.from_dict({"version": 1, "models": {1, 2}})


def test_what_is_not_up_says_so(tmp_path: Path) -> None:
    stack = Stack.from_dict({"version": 1, "name": "down", "models": MODEL}, folder=tmp_path)
    assert stack.status() == api.Status(running=False, ready=False, endpoint=None, supervisor="none")
    assert stack.down() is False
    with pytest.raises(NotRunning):
        stack.probe("m")
    with pytest.raises(PlanError) as caught:
        stack.plan()
    assert caught.value.problems[0].where == "models.m.sources.mlx-lm.path"


def test_params_that_are_not_the_callers_are_refused(tmp_path: Path) -> None:
    stack = Stack.from_dict({"version": 1, "name": "down", "models": MODEL}, folder=tmp_path)
    with pytest.raises(UsageError) as caught:
        stack.generate("hello", stream=True)
    assert caught.value.__notes__ == ["stream() streams"]
    with pytest.raises(UsageError, match="one answer at a time"):
        stack.stream("hello", n=2)
