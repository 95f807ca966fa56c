from __future__ import annotations

from orchestrator.core.routing import routes
from tests.planned import local, planned, stack


def test_every_name_leads_to_its_model_and_no_other_name_anywhere() -> None:
    cloud = {"sources": {"openai": {"url": "https://x/v1/", "model": "big"}}}
    made = planned(
        stack({"a": local(aliases=["ay"], roles=["default"]), "b": local("/w/b", "vllm-mlx"), "cloud": cloud})
    )
    found = routes(made)
    assert set(found) == {"a", "ay", "default", "b", "cloud"}
    assert found["ay"].model == found["default"].model == "a"
    assert found["ay"].served_name == "default_model"
    assert found["b"].served_name == "b"
    assert found["a"].upstream == f"http://127.0.0.1:{made.launch('a').port}/v1"
    assert (found["cloud"].upstream, found["cloud"].served_name) == ("https://x/v1", "big")
