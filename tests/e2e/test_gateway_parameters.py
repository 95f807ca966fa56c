"""What stack.yaml sets in requests and takes out of them, and which routes a model is for."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from orchestrator.core.launch import Serving
from tests.gateways import CHAT, NATIVE, Running, running, upstream

SHAPE = {
    "defaults": {"temperature": 0.7, "max_completion_tokens": 99, "chat_template_kwargs": {"enable_thinking": False}},
    "strip": ["logit_bias"],
    "variants": {"tiny-exact": {"temperature": 0, "max_tokens": 5}, "org/variant:1": {}},
}


@pytest.fixture(scope="module")
def engine() -> Iterator[int]:
    with upstream() as port:
        yield port


@pytest.fixture
def up(engine: int) -> Iterator[Running]:
    with running(engine, native=NATIVE, shape=SHAPE) as gateway:
        yield gateway


def sent(up: Running, path: str = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
    """What the engine gets of it, without the usual."""
    assert up.ask("POST", path, {**CHAT, **body}).status == 200
    found: dict[str, Any] = json.loads(up.log()[-1]["body"])
    assert found.pop("model") == "tiny"
    assert found.pop("messages") == CHAT["messages"]
    return found


THINKING = {"chat_template_kwargs": {"enable_thinking": False}}


def test_defaults_are_set_where_the_client_says_nothing(up: Running) -> None:
    assert sent(up) == {"temperature": 0.7, "max_completion_tokens": 99, **THINKING}
    assert sent(up, temperature=None, n=2) == {"temperature": 0.7, "max_completion_tokens": 99, "n": 2, **THINKING}
    assert sent(up, temperature=0.1, max_tokens=7) == {"temperature": 0.1, "max_tokens": 7, **THINKING}
    assert sent(up, chat_template_kwargs={})["chat_template_kwargs"] == {}


def test_a_limit_has_the_name_that_the_path_knows(up: Running) -> None:
    assert sent(up, "/v1/responses")["max_output_tokens"] == 99
    assert sent(up, "/v1/messages")["max_tokens"] == 99
    assert sent(up, "/v1/messages/count_tokens", logit_bias={}) == {}


def test_what_is_stripped_never_passes(up: Running) -> None:
    raw = b'{"model":"tiny","messages":[{"role":"user","content":"hi"}],"logit\\u005fbias":{"1":2},"logit_bias":3}'
    assert up.ask("POST", "/v1/chat/completions", raw).status == 200
    assert "bias" not in up.log()[-1]["body"]


def test_a_variant_is_a_name_whose_parameters_hold_whatever_the_client_says(up: Running) -> None:
    exact = {"temperature": 0, "max_tokens": 5, **THINKING}
    assert sent(up, model="tiny-exact") == exact
    assert sent(up, model="tiny-exact", temperature=1, max_completion_tokens=50) == exact
    assert sent(up, model="org/variant:1") == sent(up)
    answer = up.chat(model="tiny-exact")
    assert answer.headers["x-stack-model"] == "tiny"
    with openai.OpenAI(base_url=f"{up.url}/v1", api_key="none") as client:
        assert [model.id for model in client.models.list()] == ["tiny", "tiny-exact", "org/variant:1", "org/other"]
        assert client.models.retrieve("org/variant:1").id == "org/variant:1"
    shown = up.ask("GET", "/v1/models/tiny-exact").json()["meta"]["stack"]
    assert (shown["variant_of"], shown["names"]) == ("tiny", ["default", "org/variant:1", "small", "tiny-exact"])


def test_a_model_without_any_of_it_is_untouched(up: Running) -> None:
    raw = b' {"model" : "org/other", "messages":[], "temperature":null, "logit_bias": {} }'
    assert up.ask("POST", "/v1/chat/completions", raw).status == 200
    assert up.log()[-1]["body"].encode() == raw.replace(b"org/other", b"engine-name")


def test_a_large_body_comes_in_pieces(up: Running) -> None:
    found = sent(up, padding="x" * 90_000, temperature=None, logit_bias=1)
    assert found == {"temperature": 0.7, "max_completion_tokens": 99, "padding": "x" * 90_000, **THINKING}


def test_a_limit_where_the_engines_own_would_cut_answers_off(engine: int) -> None:
    launch = {"limits": ("/v1/completions", "/v1/responses"), "serving": Serving(8192, max_tokens=4096)}
    with running(engine, native=NATIVE, launch=launch) as up:
        assert sent(up, "/v1/completions") == {"max_tokens": 4096}
        assert sent(up, "/v1/completions", max_tokens=None) == {"max_tokens": 4096}
        assert sent(up, "/v1/completions", max_tokens=3) == {"max_tokens": 3}
        assert sent(up, "/v1/responses") == {"max_output_tokens": 4096}
        assert sent(up) == {}
    launch = {"limits": ("/v1/chat/completions",), "serving": Serving(8192, max_tokens=4096)}
    with running(engine, launch=launch) as up:
        assert sent(up, max_completion_tokens=3) == {"max_completion_tokens": 3}
        assert sent(up) == {"max_tokens": 4096}
    with running(engine, launch=launch, shape={"defaults": {"max_tokens": 100}}) as up:
        assert sent(up) == {"max_tokens": 100}


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TEXT = {"type": "text", "text": 'the word "image_url" in a text'}


def test_images_pass_untouched_to_a_model_that_sees(engine: int) -> None:
    with running(engine, launch={"capabilities": ("chat", "vision")}) as up:
        raw = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": [TEXT, IMAGE]}]}).encode()
        assert up.ask("POST", "/v1/chat/completions", raw).status == 200
        assert up.log()[-1]["body"].encode() == raw


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": [TEXT, IMAGE]}]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}]}),
        (
            "/v1/messages",
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [{"type": "image"}]}]}]},
        ),
        ("/v1/responses", {"input": [{"role": "user", "content": [{"type": "input_image"}]}]}),
    ],
)
def test_images_to_a_model_that_does_not_see(engine: int, path: str, body: dict[str, Any]) -> None:
    """Some engines would leave them out without a word, and the model would make something up."""
    with running(engine, native=NATIVE, shape={"capabilities": ["chat"]}) as up:
        answer = up.ask("POST", path, {"model": "tiny", **body})
        assert answer.status == 400
        message = answer.json()["error"]["message"]
        assert message == (
            "tiny cannot see images: its capabilities are chat (models.tiny.capabilities takes `vision`)"
        )
        said = [{"role": "user", "content": [TEXT]}, {"role": "user", "content": '"image_url"'}]
        schema = {"type": "object", "properties": {"image_url": {"type": "string"}}}
        tools = [{"type": "function", "function": {"name": "show", "parameters": schema}}]
        assert up.ask("POST", "/v1/chat/completions", {"model": "tiny", "messages": said, "tools": tools}).status == 200


def test_images_to_an_attached_server_of_which_nothing_is_said(engine: int) -> None:
    body = {"model": "tiny", "messages": [{"role": "user", "content": [IMAGE]}]}
    with running(engine, launch={"owner": "external"}) as up:
        assert up.ask("POST", "/v1/chat/completions", body).status == 200
    with running(engine, launch={"owner": "external"}, shape={"capabilities": ["chat"]}) as up:
        assert up.ask("POST", "/v1/chat/completions", body).status == 400


@pytest.mark.parametrize(
    ("path", "need"),
    [
        ("/v1/rerank", "rerank"),
        ("/rerank", "rerank"),
        ("/v1/audio/speech", "speak"),
        ("/v1/embeddings", "embed"),
        ("/v1/chat/completions", "chat"),
    ],
)
def test_a_route_is_for_models_that_can(engine: int, path: str, need: str) -> None:
    body = {"model": "org/other", "input": "x", "query": "x", "documents": []}
    with running(engine, launch={"capabilities": (need,)}) as up:
        assert up.ask("POST", path, body).status == 200
        seen = up.log()[-1]
        assert seen["url"] == (path if path.startswith("/v1") else f"/v1{path}")
        assert json.loads(seen["body"]) == {**body, "model": "engine-name"}
    other: tuple[str, ...] = ("embed",) if need != "embed" else ("rerank",)
    with running(engine, launch={"capabilities": other}) as up:
        answer = up.ask("POST", path, body)
        assert (answer.status, answer.json()["error"]["code"]) == (400, "unsupported_capability")
        assert f"its capabilities are {other[0]}" in answer.json()["error"]["message"]


def test_speech_is_heard_before_it_is_whole(engine: int) -> None:
    """Sound is passed on as it comes; what is cut off ends in a cut connection, as it has no other way to say so."""
    with running(engine, launch={"capabilities": ("speak",)}) as up:
        body = {"model": "tiny", "input": "hello"}
        answer = up.ask("POST", "/v1/audio/speech", body, {"x-fake": "kind=audio/wav text=RIFF%00"})
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, "audio/wav", b"RIFF\0")
        assert answer.headers["x-stack-model"] == "tiny"
        with pytest.raises(http.client.IncompleteRead):
            up.ask("POST", "/v1/audio/speech", body, {"x-fake": "kind=audio/wav size=9999 cut=500"})
