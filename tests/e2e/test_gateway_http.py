"""The gateway as an HTTP server, and what it counts."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.edge.gateway.limits import Limits
from tests.gateways import CHAT, NATIVE, Running, eventually, running, upstream


@pytest.fixture(scope="module")
def engine() -> Iterator[int]:
    with upstream() as port:
        yield port


@pytest.fixture
def up(engine: int) -> Iterator[Running]:
    with running(engine) as gateway:
        yield gateway


def test_keep_alive_and_pipelining(up: Running) -> None:
    body = json.dumps(CHAT).encode()
    one = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n" % len(body)
    bad = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"
    said = up.raw((one + b"\r\n" + body) * 7 + bad + one + b"connection: close\r\n\r\n" + body)
    assert said.count(b"HTTP/1.1 200 OK") == 8
    assert said.count(b"HTTP/1.1 400 Bad Request") == 1
    assert said.index(b"400 Bad") > said.index(b"200 OK")


def test_many_pipelined_requests_behind_a_slow_one(up: Running) -> None:
    body = json.dumps(CHAT).encode()
    slow = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nx-fake: delay=0.3\r\n"
    quick = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n"
    data = slow + b"content-length: %d\r\n\r\n" % len(body) + body + (quick + b"\r\n") * 2000
    said = up.raw(data + quick + b"connection: close\r\n\r\n")
    assert said.count(b"HTTP/1.1 200 OK") == 2002


def test_http_1_0_and_upgrade(up: Running) -> None:
    body = json.dumps(CHAT).encode()
    head = b"POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n"
    assert b"connection: close" in up.raw(head % len(body) + body)
    stream = json.dumps({**CHAT, "stream": True}).encode()
    said = up.raw(head % len(stream) + stream)
    assert b"chunked" not in said
    assert said.endswith(b"data: [DONE]\n\n")
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\n"
    said = up.raw(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert said.startswith(b"HTTP/1.1 200 OK")


def test_head_and_expect(up: Running) -> None:
    said = up.raw(b"HEAD /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    assert said.endswith(b"\r\n\r\n")
    assert b"content-length: 0" not in said
    body = json.dumps(CHAT).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\nconnection: close\r\n"
    said = up.raw(head + b"content-length: %d\r\n\r\n" % len(body) + body)
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


def test_metrics(engine: int) -> None:
    with running(engine, native=NATIVE) as up:
        up.chat()
        ping = {"name": "ping", "parameters": {"type": "object", "additionalProperties": False}}
        up.chat("stream chunks=5 tool=%7B%7D", tools=[{"type": "function", "function": ping}])
        up.chat("tool=%7Bbroken")
        up.ask("POST", "/v1/messages", {**CHAT, "tools": [{"name": "ping"}]}, {"x-fake": "stream tool=%7B%22a%22:1%7D"})
        up.ask("POST", "/v1/responses", {**CHAT, "tools": [ping]}, {"x-fake": "stream tool=%7B%22a%22:1%7D"})
        up.ask("POST", "/v1/messages", CHAT, {"x-fake": "stream tool=%7B%7D"})
        up.chat(model="nothing")
        up.ask("GET", "/etc/passwd")
        eventually(lambda: up.metrics().get('stack_tool_calls_total{model="tiny",verdict="invalid"}') == 3)
        seen = up.metrics()
        assert seen['stack_requests_total{model="tiny",route="/v1/chat/completions",status="200"}'] == 3
        assert seen['stack_requests_total{model="",route="/v1/chat/completions",status="404"}'] == 1
        assert seen['stack_requests_total{model="",route="other",status="404"}'] == 1
        assert seen['stack_request_seconds_count{model="tiny",route="/v1/chat/completions"}'] == 3
        assert seen['stack_first_byte_seconds_count{model="tiny",route="/v1/chat/completions"}'] == 1
        assert seen['stack_tokens_total{kind="prompt",model="tiny"}'] == 11 + 11 + 7 + 7 + 5
        assert seen['stack_tokens_total{kind="completion",model="tiny"}'] == 3 + 5 + 3 + 3 + 2
        assert seen['stack_invalid_tool_calls_total{model="tiny",reason="misfit"}'] == 1
        assert seen['stack_invalid_tool_calls_total{model="tiny",reason="unknown_tool"}'] == 1
        assert seen['stack_tool_calls_total{model="tiny",verdict="valid"}'] == 2
        assert seen['stack_engine_state{model="tiny",state="ready"}'] == 1
        assert seen["stack_uncounted_answers_total"] == 0


def test_counting_never_holds_a_client_up(engine: int) -> None:
    with running(engine, limits=Limits(copy=1000)) as up:
        assert up.chat("stream chunks=200").body.count(b"data: ") == 202
        eventually(lambda: up.metrics()["stack_uncounted_bytes"] == 0)
        assert up.metrics()["stack_uncounted_answers_total"] == 1
        assert up.chat().status == 200
        eventually(lambda: up.metrics().get('stack_tokens_total{kind="prompt",model="tiny"}') == 11)


def test_attached_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (openssl := shutil.which("openssl")):
        pytest.skip("no openssl here to make a certificate with")
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert]
    subprocess.run(command, check=True, capture_output=True)
    with upstream("--tls", cert, key) as port:
        with running(0, base=f"https://localhost:{port}/v1") as up:
            refused = up.chat()
            assert (refused.status, refused.json()["error"]["code"]) == (502, "engine_unreachable")
            assert "certificate" in refused.json()["error"]["message"]
        monkeypatch.setenv("SSL_CERT_FILE", cert)
        with running(0, base=f"https://localhost:{port}/v1", key="k") as up:
            for _ in range(3):
                assert up.chat().status == 200
            assert up.chat("stream chunks=20").body.endswith(b"data: [DONE]\n\n")
            assert up.chat("stream cut=2").body.count(b"engine_lost") == 1
