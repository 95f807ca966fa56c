"""What changes without a reload: a new name or gateway setting stops no engine, a new flag only its own model's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.fake_stack import FakeStack

Make = Callable[..., FakeStack]
SUPERVISORS = [
    pytest.param({}, id="embedded"),
    pytest.param({"supervisor": "llama-swap"}, id="llama-swap", marks=pytest.mark.component("llama-swap")),
]


def pids(stack: FakeStack) -> dict[str, int]:
    return {row["id"]: row["pid"] for row in stack.status()["models"]}


def hello(stack: FakeStack, name: str) -> int:
    body = {"model": name, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 8}
    return httpx.post(f"{stack.url}/chat/completions", json=body, timeout=30).status_code


@pytest.mark.parametrize("top", SUPERVISORS)
def test_a_new_name_and_a_new_key_apply_without_stopping_the_engine(fake_stack: Make, top: dict[str, Any]) -> None:
    stack = fake_stack(top=dict(top))
    assert stack.cli("up").returncode == 0
    before = pids(stack)
    assert hello(stack, "other") == 404
    stack.model["aliases"] = ["other"]
    stack.top["probe"] = {"on_up": "none", "quiet": "5m"}
    stack.write()
    told = json.loads(stack.cli("plan", "--diff", "--json").stdout)
    assert {row["subject"]: (row["action"], row["read"]) for row in told["rows"]} == {
        "tiny": ("unchanged", 0),
        "gateway": ("restart", 0),
    }
    assert stack.cli("up").returncode == 0
    assert pids(stack) == before
    assert hello(stack, "other") == 200


@pytest.mark.parametrize("top", SUPERVISORS)
def test_a_new_flag_restarts_its_model_and_the_plan_says_what_else(
    fake_stack: Make, top: dict[str, Any], free_port: Callable[[], int]
) -> None:
    stack = fake_stack(top=dict(top))
    stack.write()
    file = stack.cli.home.work / "stack.yaml"
    made = json.loads(file.read_text())
    made["models"]["second"] = {**made["models"]["tiny"], "roles": [], "residency": "resident"}
    made["models"]["second"]["serve"] = {"port": free_port()}
    file.write_text(json.dumps(made))
    assert stack.cli("up").returncode == 0
    before = pids(stack)
    made["models"]["tiny"]["context"] = 4096
    file.write_text(json.dumps(made))
    rows = {row["subject"]: row for row in json.loads(stack.cli("plan", "--diff", "--json").stdout)["rows"]}
    assert (rows["tiny"]["action"], rows["tiny"]["reason"]) == ("restart", "command line")
    assert rows["tiny"]["read"] > 0
    alone = not top
    assert rows["second"]["action"] == ("unchanged" if alone else "restart")
    words = stack.cli("plan", "--diff").stdout
    assert ("1 engine restarts, " if alone else "2 engines restart, ") in words
    assert "of weights are read again" in words
    assert stack.cli("up").returncode == 0
    after = pids(stack)
    assert after["tiny"] != before["tiny"]
    assert (after["second"] == before["second"]) is alone
