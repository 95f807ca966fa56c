"""Engines that die, clients that go, requests that are no requests."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator

import anthropic
import openai
import psutil
import pytest

from orchestrator.core.wire.sse import Parser
from tests.gateways import CHAT, NATIVE, Answered, Running, ask, eventually, running, upstream

POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture(scope="module")
def engine() -> Iterator[int]:
    with upstream() as port:
        yield port


@pytest.fixture
def up(engine: int) -> Iterator[Running]:
    with running(engine, native=NATIVE) as gateway:
        yield gateway
        assert sum(gateway.supervisor.active.values()) == 0, "a lease was kept"
        assert gateway.gateway._held == 0, "a body was kept"


def events(answer: Answered) -> list[tuple[str, str]]:
    parser = Parser()
    found = parser.feed(answer.body)
    assert parser.close() is None, "half an event went out"
    return [(e.event, e.data) for e in found]


@pytest.mark.parametrize("how", ["cut=2", "cut=2 half", "cut=2 split", "cut=2 half crlf", "cut=0", "http10 cut=2 half"])
def test_stream_cut_short_ends_in_an_error_event(up: Running, how: str) -> None:
    answer = up.chat(f"stream chunks=5 {how}")
    assert answer.status == 200
    *said, error, done = events(answer)
    assert [json.loads(d)["choices"][0]["delta"]["content"] for _, d in said] == ["t0 ", "t1 "][: len(said)]
    assert len(said) == (0 if how == "cut=0" else 2)
    assert json.loads(error[1])["error"]["code"] == "engine_lost"
    assert done[1] == "[DONE]"
    assert up.supervisor.suspected == ["tiny"]
    assert up.chat().status == 200


def test_a_stream_without_done_is_whole_if_it_says_why_it_finished(up: Running) -> None:
    for how in ("http10", ""):
        assert "engine_lost" not in up.chat(f"stream whole=no {how}").body.decode()


def test_a_stream_that_ends_properly_but_unfinished(up: Running) -> None:
    answer = up.chat("stream chunks=5 cut=2 clean")
    assert json.loads(events(answer)[-2][1])["error"]["code"] == "engine_lost"
    assert up.supervisor.suspected == ["tiny"]


def test_the_sdks_raise_on_it(up: Running) -> None:
    fake = {"x-fake": "stream cut=2 half"}
    with openai.OpenAI(base_url=f"{up.url}/v1", api_key="none", max_retries=0) as client:
        got = []
        with (
            pytest.raises(openai.APIError, match="closed the connection"),
            client.chat.completions.create(model="tiny", messages=[], stream=True, extra_headers=fake) as stream,
        ):
            got.extend(chunk.choices[0].delta.content for chunk in stream)
        assert got == ["t0 ", "t1 "]
        with (
            pytest.raises(openai.APIError, match="closed the connection"),
            client.responses.create(model="tiny", input="x", stream=True, extra_headers=fake) as replies,
        ):
            list(replies)
    with anthropic.Anthropic(base_url=up.url, api_key="none", max_retries=0) as claude:
        said = [{"role": "user", "content": "x"}]
        with (
            pytest.raises(anthropic.APIStatusError, match="closed the connection"),
            claude.messages.create(
                model="tiny", max_tokens=9, messages=said, stream=True, extra_headers=fake
            ) as messages,
        ):
            list(messages)


def test_killed_engine() -> None:
    with upstream() as port, running(port) as up:
        assert "engine_lost" in up.chat("stream cut=2 die").body.decode()
        answer = up.chat()
        assert (answer.status, answer.json()["error"]["code"]) == (502, "engine_unreachable")
        assert up.supervisor.suspected == ["tiny", "tiny"]


@pytest.mark.parametrize("how", ["cut=20", "cut=20 http10", "text=nothing-json http10", "close-first=always"])
def test_an_answer_cut_short_is_a_502(up: Running, how: str) -> None:
    answer = up.chat(how)
    assert (answer.status, answer.json()["error"]["code"]) == (502, "engine_lost")
    assert up.supervisor.suspected == ["tiny"]


def test_a_large_answer_cut_short_is_seen_as_such(up: Running) -> None:
    with pytest.raises(http.client.IncompleteRead):
        up.chat("size=5000000 cut=4000000")


def test_a_large_answer(up: Running) -> None:
    assert len(up.chat("size=5000000").body) > 5_000_000
    assert up.chat("http10").status == 200


def test_reused_connection_that_closes_is_retried_once(up: Running) -> None:
    for _ in range(3):
        assert up.chat("close-first").status == 200
    assert up.supervisor.suspected == []
    assert up.metrics()["stack_retries_total"] == 2
    up.chat()
    assert up.chat("close-first=always").status == 502
    assert up.metrics()["stack_retries_total"] == 3
    before = len(up.log())
    assert up.chat("stream cut=0").status == 200
    assert len(up.log()) == before + 1, "what had begun is not retried"


def test_connection_that_closes_after_the_answer(up: Running) -> None:
    for _ in range(5):
        assert up.chat("close-after").status == 200


@pytest.mark.parametrize(
    ("fake", "status", "message"),
    [
        ("status=400 text=Not%20Found kind=text/plain", 400, "Not Found"),
        ("status=404 text=%7B%22detail%22%3A%22no%20such%20thing%22%7D", 404, "no such thing"),
        ("status=500 text=%7B%22error%22%3A%22it%20broke%22%7D", 500, "it broke"),
        ("status=404 text=Not%20Found http10", 404, "Not Found"),
        ("status=503 text=", 503, "the engine answered 503 Service Unavailable"),
        ("status=422 text=%7B%22error%22%3A%7B%22message%22%3A%22kept%22%2C%22more%22%3A1%7D%7D", 422, "kept"),
    ],
)
def test_errors_of_engines_come_in_the_envelope(up: Running, fake: str, status: int, message: str) -> None:
    answer = up.chat(fake)
    assert (answer.status, answer.json()["error"]["message"]) == (status, message)
    assert answer.headers["content-type"].startswith("application/json")
    other = up.ask("POST", "/v1/messages", CHAT, {"x-fake": fake})
    assert (other.status, other.json()["type"], other.json()["error"]["message"]) == (status, "error", message)


def test_a_client_that_goes_cancels(up: Running) -> None:
    body = json.dumps(CHAT).encode()
    for fake in (b"stream chunks=1000 pace=0.05", b"delay=30"):
        head = POST + b"x-fake: %b\r\ncontent-length: %d\r\n\r\n"
        with socket.create_connection(("127.0.0.1", up.port)) as client:
            client.sendall(head % (fake, len(body)) + body)
            if b"stream" in fake:
                assert b"200 OK" in client.recv(1000)
            eventually(lambda: up.supervisor.active["tiny"] == 1)
        eventually(lambda: up.log()[-1]["gone"])
        eventually(lambda: up.supervisor.active["tiny"] == 0)
    eventually(
        lambda: up.metrics().get('stack_requests_total{model="tiny",route="/v1/chat/completions",status="499"}') == 2
    )
    assert up.supervisor.suspected == []


def test_a_client_that_goes_leaves_the_queue(engine: int) -> None:
    with running(engine, limit=1, queue=5) as up:
        assert up.supervisor.acquire_now("tiny") is not None
        body = json.dumps(CHAT).encode()
        with socket.create_connection(("127.0.0.1", up.port)) as client:
            client.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
                + body
            )
            eventually(lambda: up.supervisor.states()[0].queued == 1)
        eventually(lambda: up.supervisor.states()[0].queued == 0)
        waiting = threading.Thread(target=up.chat)
        waiting.start()
        eventually(lambda: up.supervisor.states()[0].queued == 1)
        up.supervisor.release("tiny")
        waiting.join(10)
        eventually(lambda: up.supervisor.active["tiny"] == 0)


def test_a_slow_reader_does_not_fill_the_memory(up: Running) -> None:
    size = 60_000_000
    body = json.dumps(CHAT).encode()
    process = psutil.Process()
    before = process.memory_info().rss
    with socket.create_connection(("127.0.0.1", up.port)) as client:
        head = POST + b"x-fake: size=%d\r\ncontent-length: %d\r\n\r\n"
        client.sendall(head % (size, len(body)) + body)
        time.sleep(1)
        assert process.memory_info().rss - before < 20_000_000
        got = 0
        while got < size:
            got += len(client.recv(1 << 20))
    assert up.chat().status == 200


def test_closing_lets_answers_end() -> None:
    with upstream() as port:
        got: list[Answered] = []
        with running(port, grace=5.0) as up:
            thread = threading.Thread(target=lambda: got.append(up.chat("stream chunks=5 pace=0.1")))
            thread.start()
            eventually(lambda: up.supervisor.active["tiny"] == 1)
        thread.join(10)
        assert got[0].body.endswith(b"data: [DONE]\n\n")
        with pytest.raises(ConnectionRefusedError):
            ask(up.port, "GET", "/healthz")
