"""What docker cannot do for us, in our words; tests/e2e/test_containers.py has the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.edge.run import container_sweep, docker_api
from orchestrator.edge.run.engines import Unavailable
from orchestrator.errors import EngineError, PlanError
from tests.plans import contained, fake, plan_of


def test_a_docker_that_is_not_there_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = f"unix://{tmp_path}/no.sock"
    monkeypatch.setenv("DOCKER_HOST", where)
    with pytest.raises(Unavailable) as caught, docker_api.daemon():
        pass
    assert caught.value.text == f"docker does not answer at {where}: No such file or directory"
    assert "start docker" in caught.value.mend
    assert not docker_api.any_left("t")
    with pytest.raises(PlanError) as refused:
        container_sweep.refuse(plan_of(contained(fake("a", 1)), name="t"))
    assert (refused.value.exit_code, refused.value.text) == (4, caught.value.text)
    container_sweep.refuse(plan_of(fake("a", 1), name="t"))


@pytest.mark.parametrize("where", ["tcp://10.0.0.5:2375", "ssh://me@gpu-box"])
def test_a_docker_on_another_machine_is_refused(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would publish on its own loopback."""
    monkeypatch.setenv("DOCKER_HOST", where)
    with pytest.raises(EngineError, match="another machine") as caught, docker_api.daemon():
        pass
    assert not isinstance(caught.value, Unavailable)
    assert not docker_api.any_left("t")


def test_what_may_be_left_at_a_docker_that_is_away_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    plan = tmp_path / "plan.json"
    assert container_sweep.sweep("t", plan) == 0
    from orchestrator.core.planner.plan_json import plan_to_json

    plan.write_text(plan_to_json(plan_of(fake("a", 1), name="t")))
    assert container_sweep.sweep("t", plan) == 0
    plan.write_text(plan_to_json(plan_of(contained(fake("a", 1)), name="t")))
    with pytest.raises(EngineError, match="containers of t may be left"):
        container_sweep.sweep("t", plan)
