"""Requests that are no requests: an error in the envelope, and nothing kept."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import psutil
import pytest

from orchestrator.edge.gateway.limits import Limits
from tests.gateways import Running, eventually, running, upstream

POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"


@pytest.fixture(scope="module")
def engine() -> Iterator[int]:
    with upstream() as port:
        yield port


@pytest.fixture
def up(engine: int) -> Iterator[Running]:
    with running(engine) as gateway:
        yield gateway
        assert gateway.gateway._held == 0, "a body was kept"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"hello", "invalid_json"),
        (b'{"model": "tiny"', "invalid_json"),
        (b"[1, 2]", "invalid_json"),
        (b'{"messages": []}', "model_missing"),
        (b'{"model": null}', "invalid_json"),
        (b'{"model": "tiny", "model": "org/other"}', "invalid_json"),
        (b'{"model": "tiny", "a": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", "invalid_json"),
        (b"[" * 1_000_000, "invalid_json"),
    ],
)
def test_bodies_that_are_none(up: Running, body: bytes, code: str) -> None:
    answer = up.ask("POST", "/v1/chat/completions", body)
    assert (answer.status, answer.json()["error"]["code"]) == (400, code)
    assert up.chat().status == 200


def test_body_limit() -> None:
    with running(1, limits=Limits(body=1000)) as up:
        body = b'{"model": "tiny", "x": "%b"}' % (b"x" * 2000)
        assert up.ask("POST", "/v1/chat/completions", body).status == 413
        chunked = (
            POST
            + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        )
        assert up.raw(chunked).startswith(b"HTTP/1.1 413 ")
        said = up.raw(POST + b"expect: 100-continue\r\ncontent-length: 2000\r\n\r\n", half_close=True)
        assert said.startswith(b"HTTP/1.1 413 ")
        assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_too_large"


def test_all_bodies_together_are_limited(engine: int) -> None:
    with running(engine, limits=Limits(bodies=100_000)) as up:
        clients = [socket.create_connection(("127.0.0.1", up.port)) for _ in range(2)]
        for client in clients:
            client.sendall(POST + b"content-length: 90000\r\n\r\n" + b'{"x": "' + b"y" * 40_000)
        eventually(lambda: up.gateway._held > 80_000)
        answer = up.chat(x="y" * 40_000)
        assert (answer.status, answer.json()["error"]["code"]) == (503, "busy")
        for client in clients:
            client.close()
        eventually(lambda: up.gateway._held == 0)
        assert up.chat(x="y" * 40_000).status == 200


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\nconnection: close\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 100_000 + b"\r\nconnection: close\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 1_000_000, 431),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 50_000, 431),
        (b"GET /" + b"y" * 1_000_000, 431),
        (POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", 400),
        (POST + b"content-length: 5\r\ncontent-length: 6\r\n\r\n{}", 400),
        (POST + b"content-length: -1\r\n\r\n", 400),
        (POST + b"content-length: 100\r\n\r\n" + b'{"model": "tiny"', 400),
        (POST + b"content-le", 400),
        (POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (POST + b"content-encoding: gzip\r\nconnection: close\r\ncontent-length: 2\r\n\r\nxx", 415),
    ],
)
def test_requests_that_are_none(up: Running, data: bytes, status: int) -> None:
    said = up.raw(data, half_close=True)
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(body)["error"].keys() == {"message", "type", "param", "code"}
    assert up.chat().status == 200


def test_slow_requests_end_in_408(engine: int) -> None:
    with running(engine, limits=Limits(head_time=0.5, body_time=0.5, keep_alive=0.5)) as up:
        for data in (POST, POST + b"content-length: 100\r\n\r\n{"):
            said = up.raw(data)
            assert said.startswith(b"HTTP/1.1 408 ")
            assert b'"code":"timeout"' in said
        assert up.raw(b"") == b""
        assert up.chat("stream chunks=4 pace=0.5").body.endswith(b"data: [DONE]\n\n")


def test_memory_does_not_move(up: Running) -> None:
    process = psutil.Process()
    nested = b'{"model": "tiny", "a": ' + b"[" * 1_000_000
    huge = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 1_000_000
    half = POST + b"content-length: 2000000\r\n\r\n" + b'{"model": "' + b"x" * 1_000_000

    def round_of_each() -> None:
        assert up.ask("POST", "/v1/chat/completions", nested).status == 400
        assert up.raw(huge, half_close=True).startswith(b"HTTP/1.1 431 ")
        assert up.raw(half, half_close=True).startswith(b"HTTP/1.1 400 ")

    for _ in range(3):
        round_of_each()
    before = process.memory_info().rss
    for _ in range(20):
        round_of_each()
    assert process.memory_info().rss - before < 10_000_000
