from __future__ import annotations

from typing import Any

from orchestrator.core.plan import Plan
from orchestrator.core.planner.changes import changes
from tests.planned import MIB, local, planned, stack


def plan(**models: Any) -> Plan:
    return planned(stack(models))


def told(new: Plan, old: Plan | None, states: dict[str, str] | None) -> dict[str, tuple[str, str]]:
    return {change.subject: (change.action, change.reason) for change in changes(new, old, states)}


A, B = local(roles=["default"]), local("/w/b")


def test_nothing_runs_yet() -> None:
    found = told(plan(a=A, b=B), None, None)
    assert found == {"a": ("start", "resident"), "b": ("add", "starts on demand"), "gateway": ("start", "")}


def test_the_same_plan_changes_nothing() -> None:
    made = plan(a=A, b=B)
    found = told(made, made, {"a": "ready", "b": "stopped"})
    assert {action for action, _ in found.values()} == {"unchanged"}


def test_only_what_must_change_changes() -> None:
    old = plan(a=A, b=B)
    new = plan(a=local(roles=["default"], context=4096), b=B, c=local("/w/c"))
    found = told(new, old, {"a": "ready", "b": "ready"})
    assert found["a"] == ("restart", "command line")
    assert found["b"] == ("unchanged", "")
    assert found["c"] == ("add", "starts on demand")
    assert found["gateway"] == ("restart", "the plan differs")


def test_a_new_name_touches_no_engine() -> None:
    old, new = plan(a=A), plan(a=local(roles=["default"], aliases=["ay"]))
    assert told(new, old, {"a": "ready"}) == {"a": ("unchanged", ""), "gateway": ("restart", "the plan differs")}


def test_what_is_gone_stops_if_it_runs() -> None:
    old = plan(a=A, b=B, c=local("/w/c"))
    found = told(plan(a=A), old, {"a": "ready", "b": "ready", "c": "stopped"})
    assert found["b"] == ("stop", "no longer in stack.yaml")
    assert found["c"] == ("remove", "no longer in stack.yaml")


def test_another_port_and_backend_are_named() -> None:
    old = plan(a=local(roles=["default"], serve={"port": 19000}))
    new = plan(a=local("/w/tiny", "vllm-mlx", roles=["default"], serve={"port": 19001}))
    reason = told(new, old, {"a": "ready"})["a"][1]
    assert "backend: mlx-lm -> vllm-mlx" in reason
    assert "port: 19000 -> 19001" in reason


def test_a_key_file_that_changed_restarts_the_gateway_alone() -> None:
    made = plan(a=A)
    (engine, gateway) = changes(made, made, {"a": "ready"}, stale=True)
    assert (engine.action, gateway.action, gateway.reason) == ("unchanged", "restart", "a key file changed")


def test_a_supervisor_that_starts_anew_takes_its_engines_with_it() -> None:
    made = plan(a=A, b=B)
    found = {
        change.subject: change for change in changes(made, made, {"a": "ready", "b": "stopped"}, anew="llama-swap")
    }
    assert (found["a"].action, found["a"].reason) == ("restart", "llama-swap")
    assert found["b"].action == "unchanged"


def test_what_is_read_again_is_counted() -> None:
    old, new = plan(a=A), plan(a=local(roles=["default"], context=4096))
    assert [change.read for change in changes(new, old, {"a": "ready"})] == [2 * MIB, 0]
    assert [change.read for change in changes(old, old, {"a": "ready"})] == [0, 0]
    assert [change.read for change in changes(new, None, None)] == [2 * MIB, 0]
