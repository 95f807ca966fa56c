"""Recordings through the gateway: a form is rewritten while it passes, and never kept."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import openai
import psutil
import pytest

from orchestrator.edge.gateway.limits import Limits
from orchestrator.edge.run.samples import sound
from tests.gateways import Running, eventually, running
from tests.plans import ENGINE

PATH = "/v1/audio/transcriptions"
CAN = {"capabilities": ("transcribe",)}
KIND = {"content-type": "multipart/form-data; boundary=b"}
HEAD = b"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/form-data; boundary=b\r\n"
MODEL = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\ntiny\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.raw"\r\n\r\n'
END = b"\r\n--b--\r\n"


@pytest.fixture(scope="module")
def engine() -> Iterator[int]:
    """The fake engine, which says what it got, as a process."""
    with subprocess.Popen([sys.executable, "-u", str(ENGINE)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().split(":")[2].split()[0])
        process.kill()


@pytest.fixture
def up(engine: int) -> Iterator[Running]:
    with running(engine, launch=CAN) as gateway:
        yield gateway
        assert gateway.gateway._held == 0, "a body was kept"
        assert sum(gateway.supervisor.active.values()) == 0


def post(up: Running, *parts: bytes, headers: Mapping[str, str] = KIND) -> Any:
    return up.ask("POST", PATH, b"".join(parts), headers)


def heard(data: bytes, **fields: str) -> dict[str, Any]:
    return {"text": hashlib.sha256(data).hexdigest(), "fields": fields}


def test_openai_client(up: Running) -> None:
    with openai.OpenAI(base_url=f"{up.url}/v1", api_key="none", max_retries=0) as client:
        said = client.audio.transcriptions.create(model="org/other", file=("a.wav", sound()), prompt="é")
        assert (said.text, said.model_extra) == ("1 s", {"fields": {"model": "engine-name", "prompt": "é"}})
        with pytest.raises(openai.NotFoundError, match="nearest: tiny"):
            client.audio.transcriptions.create(model="tinny", file=b"x")


def test_translations(up: Running) -> None:
    answer = up.ask("POST", "/v1/audio/translations", MODEL + FILE + b"x" + END, KIND)
    assert answer.json() == heard(b"x", model="tiny")


@pytest.mark.parametrize("size", [0, 1000, 300_000, 8 << 20])
@pytest.mark.parametrize("model_first", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_every_byte_of_a_file(up: Running, size: int, model_first: bool, chunked: bool) -> None:
    data = bytes(range(256)) * (size // 256)
    parts = [MODEL, FILE, data, END] if model_first else [FILE, data, b"\r\n", MODEL[:-2], END]
    body = b"".join(parts)
    if chunked:
        pieces = [body[at : at + 70_000] for at in range(0, len(body), 70_000)]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        said = up.raw(HEAD + b"transfer-encoding: chunked\r\nconnection: close\r\n\r\n" + framed)
    else:
        said = up.raw(HEAD + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
    head, _, answer = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer) == heard(data, model="tiny")


@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_parameters_are_fields_of_the_form(engine: int, size: int) -> None:
    shape = {
        "defaults": {"language": "de", "temperature": 0.5},
        "strip": ["prompt"],
        "variants": {"tiny-en": {"language": "en"}},
    }
    prompt = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nsecret\r\n'
    language = b'--b\r\nContent-Disposition: form-data; name="language"\r\n\r\nfr\r\n'
    data = b"x" * size
    with running(engine, launch=CAN, shape=shape) as up:
        said = post(up, MODEL, prompt, FILE, data, END).json()
        assert said == heard(data, model="tiny", language="de", temperature="0.5")
        said = post(up, MODEL, FILE, data, b"\r\n", prompt, language[:-2], END).json()
        assert said == heard(data, model="tiny", language="fr", temperature="0.5")
        variant = MODEL.replace(b"tiny", b"tiny-en")
        said = post(up, variant, FILE, data, b"\r\n", language[:-2], END).json()
        assert said == heard(data, model="tiny", language="en", temperature="0.5")


@pytest.mark.parametrize(
    ("parts", "headers", "status", "code"),
    [
        ([b"{}"], {"content-type": "application/json"}, 415, "unsupported_media_type"),
        ([MODEL, FILE, END], {"content-type": "multipart/form-data"}, 415, "unsupported_media_type"),
        ([FILE, END], KIND, 400, "model_missing"),
        ([MODEL, MODEL[:-2], END], KIND, 400, "invalid_form"),
        ([MODEL, FILE], KIND, 400, "invalid_form"),
        ([b"hello"], KIND, 400, "invalid_form"),
        ([MODEL.replace(b"tiny", b"nothing"), FILE, END], KIND, 404, "model_not_found"),
        ([MODEL.replace(b"tiny", b"nothing"), FILE, b"x" * 600_000, END], KIND, 404, "model_not_found"),
        ([MODEL, FILE, b"x" * 600_000, b"\r\n", MODEL[:-2], END], KIND, 400, "invalid_form"),
        ([MODEL, FILE, b"x" * 600_000], KIND, 400, "invalid_form"),
    ],
)
def test_refused(up: Running, parts: list[bytes], headers: dict[str, str], status: int, code: str) -> None:
    answer = post(up, *parts, headers=headers)
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
    assert post(up, MODEL, FILE, END).status == 200


def test_a_model_that_cannot(engine: int) -> None:
    with running(engine) as up:
        answer = post(up, MODEL, FILE, END)
        assert (answer.status, answer.json()["error"]["code"]) == (400, "unsupported_capability")


def test_limits(engine: int) -> None:
    with running(engine, launch=CAN, limits=Limits(body=100_000, ahead=20_000, upload=1_000_000)) as up:
        data = b"x" * 900_000
        assert post(up, MODEL, FILE, data, END).json() == heard(data, model="tiny")
        late = post(up, FILE, data, b"\r\n", MODEL[:-2], END)
        assert (late.status, late.json()["error"]["param"]) == (413, "model")
        assert "put that field before the file" in late.json()["error"]["message"]
        assert post(up, MODEL, FILE, b"x" * 2_000_000, END).status == 413
        framed = b"%x\r\n%b\r\n" % (2_000_000, MODEL + FILE + b"x" * (2_000_000 - len(MODEL + FILE)))
        said = up.raw(HEAD + b"transfer-encoding: chunked\r\n\r\n" + framed)
        assert said.startswith(b"HTTP/1.1 413 ")
        assert up.gateway._held == 0


def test_a_full_queue_and_a_dead_engine_are_said_to_who_is_still_sending(engine: int) -> None:
    with running(engine, launch=CAN, limit=1) as up:
        assert up.supervisor.acquire_now("tiny") is not None
        answer = post(up, MODEL, FILE, b"x" * 1_000_000, END)
        assert (answer.status, answer.json()["error"]["code"]) == (429, "queue_full")
        up.supervisor.release("tiny")
    with running(1, launch=CAN) as up:
        answer = post(up, MODEL, FILE, b"x" * 1_000_000, END)
        assert (answer.status, answer.json()["error"]["code"]) == (502, "engine_unreachable")


@dataclass
class Peer:
    """An engine that reads when it is told to. got: bytes of the first request so far; gone: it was cut off."""

    port: int
    read: threading.Event = field(default_factory=threading.Event)
    got: int = 0
    gone: threading.Event = field(default_factory=threading.Event)


@contextmanager
def peer(answer: bytes = b"", at: int = 0, reads: int = 0) -> Iterator[Peer]:
    """answer: sent once `at` bytes have come; reads: bytes that it takes without being told to."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        made = Peer(server.getsockname()[1])

        def work() -> None:
            connection, _ = server.accept()
            with closing(connection):
                said = False
                while True:
                    if answer and not said and made.got >= at:
                        connection.sendall(answer)
                        said = True
                    if made.got >= reads:
                        made.read.wait()
                    try:
                        piece = connection.recv(65536)
                    except OSError:
                        piece = b""
                    if not piece:
                        made.gone.set()
                        return
                    made.got += len(piece)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield made
        made.read.set()


@contextmanager
def sending(up: Running, total: int, sent: list[int]) -> Iterator[socket.socket]:
    """A client in a thread that sends a file of `total` bytes as fast as it is taken. sent: how many went out, -1 when
    it was cut off."""
    connection = socket.create_connection(("127.0.0.1", up.port))
    connection.settimeout(60)

    def work() -> None:
        body = MODEL + FILE
        connection.sendall(HEAD + b"content-length: %d\r\n\r\n" % (len(body) + total + len(END)) + body)
        piece = b"x" * 65536
        try:
            for _ in range(0, total, len(piece)):
                connection.sendall(piece)
                sent[0] += len(piece)
            connection.sendall(END)
        except OSError:
            sent[0] = -1

    thread = threading.Thread(target=work, daemon=True)
    thread.start()

    with closing(connection):
        yield connection
        thread.join(60)
        assert not thread.is_alive()


def settled(number: Callable[[], int]) -> int:
    """The number once it has not moved for half a second."""
    last, since = number(), time.monotonic()
    while time.monotonic() - since < 0.5:
        time.sleep(0.05)
        if number() != last:
            last, since = number(), time.monotonic()
    return last


TOTAL = 64 << 20
WAIT = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def test_a_slow_engine_holds_its_client_back(engine: int) -> None:
    """Between the two lie a few socket buffers, and never the file."""
    with peer(WAIT, TOTAL) as slow, running(slow.port, launch=CAN) as up:
        process, sent = psutil.Process(), [0]
        before = process.memory_info().rss
        with sending(up, TOTAL, sent) as connection:
            eventually(lambda: sent[0] > 0)
            assert settled(lambda: sent[0]) < TOTAL // 2
            assert up.gateway._held == 0
            assert process.memory_info().rss - before < TOTAL // 4
            slow.read.set()
            assert b"200 OK" in connection.recv(1000)
        assert sent[0] == TOTAL
        assert slow.got > TOTAL


def test_a_client_waits_for_its_model_without_filling_memory(engine: int) -> None:
    with running(engine, launch=CAN, limit=1, queue=1) as up:
        assert up.supervisor.acquire_now("tiny") is not None
        sent = [0]
        with sending(up, TOTAL, sent) as connection:
            eventually(lambda: sent[0] > 0)
            assert settled(lambda: sent[0]) < TOTAL // 2
            assert 0 < up.gateway._held < TOTAL // 8
            up.loop.call_soon_threadsafe(up.supervisor.release, "tiny")
            assert b"200 OK" in connection.recv(1000)


def test_an_engine_that_answers_before_it_has_read_all() -> None:
    refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 30\r\n\r\n"
    refusal += b'{"error":{"message":"no wav"}}'
    with (
        peer(refusal, at=1, reads=1) as early,
        running(early.port, launch=CAN) as up,
        sending(up, TOTAL, [0]) as connection,
    ):
        said = connection.recv(65536)
        while not said.endswith(b"}}"):
            said += connection.recv(65536)
        assert said.startswith(b"HTTP/1.1 400 ")
        assert b"connection: close" in said
        assert said.endswith(b'{"error":{"message":"no wav"}}')
        early.read.set()
        assert early.gone.wait(20)
        eventually(lambda: sum(up.supervisor.active.values()) == 0)


def test_a_client_that_goes_away_and_one_that_stalls() -> None:
    with peer() as engine, running(engine.port, launch=CAN, limits=Limits(body_time=0.5)) as up:
        engine.read.set()
        head = HEAD + b"content-length: %d\r\n\r\n" % TOTAL + MODEL + FILE
        with socket.create_connection(("127.0.0.1", up.port)) as client:
            client.sendall(head + b"x" * 1_000_000)
            eventually(lambda: engine.got > 900_000)
        assert engine.gone.wait(20)
        eventually(lambda: sum(up.supervisor.active.values()) == 0)
    with peer() as engine, running(engine.port, launch=CAN, limits=Limits(body_time=0.5)) as up:
        engine.read.set()
        said = up.raw(head + b"x" * 1_000_000)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert engine.gone.wait(20)
        assert up.gateway._held == 0
