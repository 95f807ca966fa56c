"""What `stack doctor` reads off a plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestrator import pipeline
from orchestrator.core.doctor.apple import wired_limit
from orchestrator.core.doctor.facts import Facts
from orchestrator.core.doctor.need import Need, Port, need_of
from tests.components import REPOSITORY
from tests.planned import GIB, local, mac, planned, stack, weights


def of_example(name: str) -> tuple[Facts, Need]:
    folder = REPOSITORY / "examples" / name
    prepared = pipeline.prepare(folder / "stack.yaml", folder / "host.json")
    need = need_of(prepared.loaded.stack, prepared.loaded.name, pipeline.make_plan(prepared))
    return Facts(host=prepared.host), need


def test_memory_is_residents_and_the_largest_other_model() -> None:
    made = stack({"a": local("/a", roles=["default"]), "b": local("/b"), "c": local("/c")})
    known = {"/a": weights("/a", 4 * GIB), "/b": weights("/b", 2 * GIB), "/c": weights("/c", 3 * GIB)}
    plan = planned(made, mac(), known)
    need = need_of(made, "t", plan)
    totals = {launch.model: launch.memory[0].total for launch in plan.launches}
    assert need.start == {"unified": totals["a"]}
    assert need.memory == {"unified": totals["a"] + max(totals["b"], totals["c"])}
    assert need.reserve == {"unified": plan.pools[0].reserve}


def test_ports_are_those_that_we_listen_on() -> None:
    made = stack(
        {"a": local(serve={"port": 18600}), "b": {"sources": {"openai": {"url": "http://127.0.0.1:1/v1"}}}},
        supervisor="llama-swap",
        endpoint={"listen": ["127.0.0.1:9000", "[::1]:9000"]},
    )
    plan = planned(made)
    need = need_of(made, "t", plan)
    assert need.ports == (
        Port("127.0.0.1", 9000, "the gateway"),
        Port("::1", 9000, "the gateway"),
        Port("127.0.0.1", 18600, "model a"),
        Port("127.0.0.1", plan.swap_port or 0, "llama-swap"),
    )
    assert need.supervisor == "llama-swap"


@pytest.mark.parametrize(
    ("source", "top", "pin"),
    [
        ({}, {}, ""),
        ({}, {"mlx-lm": {"engine": {"version": "0.32.2"}}}, "0.32.2"),
        ({"engine": {"version": "0.32.2"}}, {"mlx-lm": {"engine": {"version": "9"}}}, "0.32.2"),
    ],
)
def test_a_pin_of_the_source_comes_before_one_of_the_backend(
    source: dict[str, object], top: dict[str, object], pin: str
) -> None:
    made = stack({"a": {"sources": {"mlx-lm": {"path": "/a", **source}}}}, backends=top)
    assert need_of(made, "t", planned(made)).engines == {"mlx-lm": pin}


def test_without_a_plan_it_is_what_the_file_says() -> None:
    made = stack({"a": local()}, backends={"vllm": {"engine": {"version": "0.32.0"}}}, service="boot")
    need = need_of(made, "t", None, running=True)
    assert need == Need(
        "t", (Port("127.0.0.1", 8484, "the gateway"),), engines={"vllm": "0.32.0"}, service="boot", running=True
    )


def test_containers_and_gpus_of_a_workstation() -> None:
    _, need = of_example("cuda-workstation")
    assert need.gpus
    assert need.gpu_images == need.images != ()
    assert {"gpu:0", "gpu:1"} <= set(need.memory)


def test_what_fits_is_within_the_wired_limit_and_more_is_not() -> None:
    facts, need = of_example("mac-studio")
    assert [said.level for said in wired_limit(facts, need)] == ["ok"]
    greedy = replace(need, memory={"unified": need.memory["unified"] * 3 // 2})
    assert [said.level for said in wired_limit(facts, greedy)] == ["grave"]


def test_an_engine_of_ones_own() -> None:
    made = stack({"a": local()}, backends={"mlx-lm": {"engine": {"bin": "/opt/mlx_lm.server"}}})
    assert need_of(made, "t", planned(made)).own_builds == ("a",)
