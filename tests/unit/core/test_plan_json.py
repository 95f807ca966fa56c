from __future__ import annotations

import pytest

from orchestrator.core.planner.plan_json import plan_from_json, plan_to_json
from tests.planned import local, mac, planned, stack


def test_a_plan_survives_json_exactly() -> None:
    made = planned(
        stack(
            {
                "org/b:30b": local("/w/b", "vllm-mlx", roles=["default"], serve={"env": {"A": "é\n${x}"}}),
                "a": local("/w/a", ttl="5m", memory={"kv": "1GiB", "kv_dtype": "q8"}, aliases=["z", "y"]),
                "cloud": {"sources": {"openai": {"url": "https://x/v1", "key": {"file": "/key"}}}},
            },
            supervisor="llama-swap",
            endpoint={"listen": ["127.0.0.1:1", "[::1]:2"], "keys": {"k": {"env": "K"}}},
        ),
        mac(),
    )
    text = plan_to_json(made)
    again = plan_from_json(text)
    assert again == made
    assert plan_to_json(again) == text
    # the file's order has a meaning that == does not see
    assert list(again.names) == list(made.names)
    assert list(again.stack.models) == ["org/b:30b", "a", "cloud"]
    assert [launch.hash for launch in again.launches] == [launch.hash for launch in made.launches]


def test_another_text_is_refused() -> None:
    with pytest.raises(ValueError, match="validation error"):
        plan_from_json('{"name": "x"}')
