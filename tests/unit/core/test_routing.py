from __future__ import annotations

from orchestrator.core.routing import edits, routes
from orchestrator.core.wire.edits import Edits
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


def test_what_is_set_in_a_request_depends_on_its_name_and_path() -> None:
    model = local(
        defaults={"temperature": 0.7, "max_tokens": 100, "stop": ["a"]},
        strip=["n"],
        variants={"short": {"max_completion_tokens": 5}, "cold": {"temperature": 0}},
        aliases=["ay"],
    )
    made = planned(stack({"a": model}))
    chat, text, vectors = "/v1/chat/completions", "/v1/responses", "/v1/embeddings"
    usual = {"temperature": b"0.7", "max_tokens": b"100", "stop": b'["a"]'}
    assert edits(made, "a", chat) == edits(made, "ay", chat) == Edits(fill=usual, drop=frozenset({"n"}))
    assert edits(made, "short", chat).put == {"max_completion_tokens": b"5"}
    assert set(edits(made, "short", chat).fill) == {"temperature", "stop"}
    assert edits(made, "short", text).put == {"max_output_tokens": b"5"}
    assert edits(made, "cold", text).fill == {"max_output_tokens": b"100", "stop": b'["a"]'}
    assert edits(made, "short", vectors).put == {}
    assert edits(made, "cold", "/v1/messages/count_tokens") == Edits(drop=frozenset({"n"}))


def test_an_attached_server_is_told_the_limit_in_requests_and_a_started_one_by_its_flag() -> None:
    cloud = {"sources": {"openai": {"url": "https://x/v1"}}, "serve": {"max_tokens": 9}}
    made = planned(stack({"cloud": cloud, "a": local(serve={"max_tokens": 9}), "open": {**cloud, "serve": {}}}))
    assert edits(made, "cloud", "/v1/chat/completions").fill == {"max_tokens": b"9"}
    assert not edits(made, "a", "/v1/chat/completions")
    assert not edits(made, "open", "/v1/chat/completions")
