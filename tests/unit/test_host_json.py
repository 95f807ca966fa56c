"""`stack host --json` and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.host import Apple, Engine, Gpu, Host
from orchestrator.core.host_json import host_from_json, host_to_json
from orchestrator.core.weights import KvGroup, Weights
from orchestrator.errors import PlanError

HOST = Host(
    system="macos",
    arch="arm64",
    memory=2**37,
    cpu="Apple M2 Ultra",
    cores=24,
    features=("neon",),
    gpus=(Gpu(0, "GPU-1", "x", 5, "550", mig=True),),
    apple=Apple("Apple M2 Ultra", 2**36),
    engines={"mlx-lm": Engine("/e/mlx_lm.server", "0.32.2", "PATH", ("--model",))},
    problems=("a problem",),
)
WEIGHTS = {"org/x@main": Weights("/w", 7, "qwen3", 4096, (KvGroup(2, 3, 4),), template="{{é}}")}


def test_a_round_trip_is_equal() -> None:
    assert host_from_json(host_to_json(HOST, WEIGHTS)) == (HOST, WEIGHTS)
    assert host_from_json(host_to_json(HOST)) == (HOST, {})


def test_the_same_host_gives_the_same_bytes() -> None:
    assert host_to_json(HOST, WEIGHTS) == host_to_json(HOST, dict(WEIGHTS))
    assert "weights" not in json.loads(host_to_json(HOST))
    assert json.loads(host_to_json(HOST, {}))["weights"] == {}


def test_a_hand_written_host_may_be_short() -> None:
    host, _ = host_from_json('{"system": "linux", "arch": "x86_64", "memory": 64000000000}')
    assert host == Host("linux", "x86_64", 64_000_000_000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"system": "linux", "arch": "x86_64"}', "memory: Field required"),
        ('{"system": "windows", "arch": "x", "memory": 1}', "system: Input should be"),
        ('{"system": "linux", "arch": "x", "memory": 1, "memroy": 2}', "unknown: memroy"),
        ('{"system": "linux", "arch": "x", "memory": 1, "weights": []}', "weights: is not a JSON object"),
        (
            '{"system": "macos", "arch": "x", "memory": 1, "apple": {"chip": "M", "wired_limit": 1, "wierd": 2}}',
            "unknown: apple.wierd",
        ),
    ],
)
def test_a_wrong_file_is_named(text: str, words: str) -> None:
    with pytest.raises(PlanError) as caught:
        host_from_json(text, "studio.json")
    assert caught.value.text.startswith("studio.json: ")
    assert words in caught.value.text


@given(st.text(max_size=300) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_no_text_breaks_it(text: str) -> None:
    with pytest.raises(PlanError):
        host_from_json(text)
