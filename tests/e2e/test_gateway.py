"""The gateway before an upstream: routes, names, bytes, keys, limits, metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator

import anthropic
import openai
import pytest

from tests.gateways import CHAT, NATIVE, Running, ask, running, upstream


@pytest.fixture(scope="module")
def engine() -> Iterator[int]:
    with upstream() as port:
        yield port


@pytest.fixture
def up(engine: int) -> Iterator[Running]:
    with running(engine) as gateway:
        yield gateway


def test_chat_passes_untouched(up: Running) -> None:
    raw = b' {"x": {"model": "inner"}, "messages" : [ ],  "model":"tiny" , "y": 1e2}\n'
    answer = up.ask("POST", "/v1/chat/completions?a=b", raw, {"content-type": "application/json"})
    assert answer.status == 200
    assert answer.json()["choices"][0]["message"]["content"] == "Hello there."
    assert answer.headers["x-stack-model"] == "tiny"
    seen = up.log()[-1]
    assert seen["body"].encode() == raw
    assert seen["url"] == "/v1/chat/completions?a=b"
    assert sum(up.supervisor.active.values()) == 0


@pytest.mark.parametrize("name", ["tiny", "small", "default"])
def test_model_alias_and_role_lead_to_the_same_engine(up: Running, name: str) -> None:
    answer = up.chat(model=name)
    assert (answer.status, answer.headers["x-stack-model"]) == (200, "tiny")
    assert json.loads(up.log()[-1]["body"])["model"] == "tiny"


def test_only_the_model_is_rewritten(up: Running) -> None:
    raw = b'{"messages": [{"model":"org/other"}], "mod\\u0065l" : "org\\/other", "n": 1}'
    answer = up.ask("POST", "/v1/chat/completions", raw)
    assert answer.status == 200
    assert up.log()[-1]["body"].encode() == raw.replace(b'"org\\/other"', b'"engine-name"')


def test_credentials_stay_here_and_the_upstream_gets_its_own(engine: int) -> None:
    with running(engine, key="upstream-key", keys={"laptop": "client-key"}) as up:
        sent = {"x-api-key": "client-key", "cookie": "a=b", "origin": "http://localhost:3000", "x-trace": "kept"}
        sent |= {"connection": "x-hop, close", "x-hop": "1", "te": "trailers", "accept-encoding": "gzip"}
        answer = up.ask("POST", "/v1/chat/completions", CHAT, sent)
        assert answer.status == 200
        head = up.log()[-1]["head"]
        assert [v for k, v in head if k == "authorization"] == ["Bearer upstream-key"]
        assert "client-key" not in str(head)
        names = {k for k, _ in head}
        assert "x-trace" in names
        assert names.isdisjoint({"cookie", "origin", "te", "x-hop", "connection", "x-api-key"})
        assert ["accept-encoding", "identity"] in head
        assert ["host", f"127.0.0.1:{engine}"] in head


def test_no_key_of_ours_no_authorization(up: Running) -> None:
    up.ask("POST", "/v1/chat/completions", CHAT, {"authorization": "Bearer sk-anything"})
    assert not [k for k, _ in up.log()[-1]["head"] if k == "authorization"]


def test_keys(engine: int) -> None:
    with running(engine, keys={"laptop": "one", "ci": "two"}) as up:
        for headers in ({}, {"authorization": "Bearer three"}, {"authorization": "Basic one"}, {"x-api-key": ""}):
            answer = up.ask("POST", "/v1/chat/completions", CHAT, headers)
            assert answer.status == 401
            assert answer.json()["error"]["code"] == "invalid_api_key"
            assert up.ask("GET", "/metrics", None, headers).status == 401
            assert up.ask("GET", "/v1/models", None, headers).status == 401
            assert up.ask("GET", "/nothing", None, headers).status == 401
        for headers in ({"authorization": "Bearer one"}, {"authorization": "bearer two"}, {"x-api-key": "two"}):
            assert up.ask("POST", "/v1/chat/completions", CHAT, headers).status == 200
        refused = up.ask("POST", "/v1/messages", CHAT, {}).json()
        assert refused == {
            "type": "error",
            "error": {"type": "authentication_error", "message": refused["error"]["message"]},
        }
        assert up.ask("GET", "/healthz").json() == {"status": "ok"}
        assert up.ask("GET", "/readyz").json() == {"ready": True}
        assert "tiny" in up.ask("GET", "/readyz", None, {"x-api-key": "one"}).json()["models"]


def test_host_and_origin(engine: int) -> None:
    with running(engine, endpoint={"hosts": ["studio.local"]}) as up:
        for host in ("localhost", "127.0.0.1:99", "[::1]:8484", "LOCALHOST:1", "studio.local:8484", "127.0.0.2"):
            assert up.ask("GET", "/healthz", None, {"host": host}).status == 200, host
        for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost@evil.example", ""):
            assert up.ask("GET", "/healthz", None, {"host": host}).status == 421, host
        for origin in ("http://localhost:3000", "https://studio.local"):
            assert up.ask("GET", "/v1/models", None, {"origin": origin}).status == 200, origin
        for origin in ("null", "http://evil.example", "http://localhost.evil.example", "chrome-extension://abc"):
            assert up.ask("GET", "/v1/models", None, {"origin": origin}).status == 403, origin
        assert "access-control-allow-origin" not in up.chat("stream").headers


def test_models(up: Running) -> None:
    up.verdicts["tiny"] = "verified"
    models = up.ask("GET", "/v1/models").json()["data"]
    assert [m["id"] for m in models] == ["tiny", "org/other"]
    assert models[0]["meta"]["stack"] == {
        "state": "ready",
        "tools": "verified",
        "backend": "openai",
        "context": 8192,
        "capabilities": ["chat"],
        "names": ["default", "small"],
    }
    client = openai.OpenAI(base_url=f"{up.url}/v1", api_key="none")
    with client:
        assert client.models.retrieve("org/other").id == "org/other"
        assert client.models.retrieve("small").id == "tiny"
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("nothing")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("POST", "/v1/images/generations", 404, "not_found"),
        ("POST", "/v1/audio/speech", 400, "unsupported_capability"),
        ("POST", "/v1/audio/transcriptions", 415, "unsupported_media_type"),
        ("POST", "/v1/chat/completions/", 404, "not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("OPTIONS", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models/tiny", 405, "method_not_allowed"),
        ("POST", "/healthz", 405, "method_not_allowed"),
        ("POST", "/v1/responses", 501, "not_implemented"),
    ],
)
def test_wrong_paths_and_methods(up: Running, method: str, path: str, status: int, code: str) -> None:
    answer = up.ask(method, path, CHAT)
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert ("allow" in answer.headers) == (status == 405)
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}


def test_unknown_model_names_the_nearest(up: Running) -> None:
    with (
        openai.OpenAI(base_url=f"{up.url}/v1", api_key="none") as client,
        pytest.raises(openai.NotFoundError) as caught,
    ):
        client.chat.completions.create(model="tini", messages=[])
    assert caught.value.code == "model_not_found"
    assert "nearest: tiny" in str(caught.value)


def test_messages_and_responses_where_the_engine_has_them(engine: int) -> None:
    with running(engine, native=NATIVE) as up:
        with anthropic.Anthropic(base_url=up.url, api_key="none") as client:
            said = [{"role": "user", "content": "hi"}]
            with client.messages.stream(
                model="tiny", max_tokens=9, messages=said, extra_headers={"x-fake": "stream"}
            ) as stream:
                assert "".join(stream.text_stream) == "t0 t1 t2 "
        assert up.log()[-1]["url"] == "/v1/messages"
        assert "anthropic-version" in {k for k, _ in up.log()[-1]["head"]}
        for path in NATIVE:
            assert up.ask("POST", path, CHAT).status == 200
            assert up.log()[-1]["url"] == path


def test_messages_where_it_has_not(up: Running) -> None:
    client = anthropic.Anthropic(base_url=up.url, api_key="none", max_retries=0)
    with client, pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(model="tiny", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    assert caught.value.status_code == 501
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["type"] == "error"


def test_tools_on_a_failed_tool_path(up: Running) -> None:
    up.verdicts["tiny"] = "failed"
    tools = [{"type": "function", "function": {"name": "ping"}}]
    answer = up.chat(tools=tools)
    assert (answer.status, answer.json()["error"]["code"]) == (503, "tools_failed")
    assert "markup_in_content" in answer.json()["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert up.chat(tools=[]).status == 200
    assert up.chat().status == 200
    assert up.chat(model="org/other", tools=tools).status == 200


def test_tools_with_warn(engine: int) -> None:
    with running(engine, probe={"tools": "warn"}) as up:
        up.verdicts["tiny"] = "failed"
        assert up.chat(tools=[{"type": "function"}]).status == 200


def test_queue_then_429(engine: int) -> None:
    with running(engine, limit=1, queue=0) as up:
        lease = up.supervisor.acquire_now("tiny")
        assert lease is not None
        answer = up.chat()
        assert (answer.status, answer.headers["retry-after"]) == (429, "3")
        assert answer.json()["error"]["code"] == "queue_full"
        up.supervisor.release("tiny")
        assert up.chat().status == 200


def test_engine_down(up: Running) -> None:
    up.supervisor.down.add("tiny")
    answer = up.chat()
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert "the last line of its log" in answer.json()["error"]["message"]
    up.ready[0] = False
    ready = up.ask("GET", "/readyz")
    assert (ready.status, ready.json()["models"]["tiny"]) == (503, {"state": "failed", "tools": "untested"})
    assert up.ask("GET", "/healthz").status == 200


def test_openai_client_streams(up: Running) -> None:
    with (
        openai.OpenAI(base_url=f"{up.url}/v1", api_key="none") as client,
        client.chat.completions.create(
            model="small", messages=[], stream=True, extra_headers={"x-fake": "stream chunks=4 split"}
        ) as stream,
    ):
        chunks = [c.choices[0].delta.content for c in stream]
    assert chunks == ["t0 ", "t1 ", "t2 ", "t3 ", None]


def test_stream_is_the_same_through_the_gateway(up: Running) -> None:
    for fake in ("stream chunks=50", "stream split", "stream crlf split", "stream http10", "stream http10 split crlf"):
        direct = ask(up.upstream, "POST", "/v1/chat/completions", CHAT, {"x-fake": fake})
        assert up.chat(fake).body == direct.body, fake
