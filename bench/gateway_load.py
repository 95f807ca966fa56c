"""Load for an OpenAI endpoint: wrk for requests, asyncio protocols for streams (and for requests without wrk)."""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httptools
import uvloop

BODY = json.dumps(
    {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "What is the capital of France? Answer in one word."},
        ],
        "temperature": 0,
        "max_tokens": 16,
    }
)
LUA = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.headers["authorization"] = "Bearer %s"
wrk.body = [[%s]]
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('{"requests":%%d,"bad":%%d,"us":%%d,"p50":%%d,"p99":%%d}', summary.requests,
    e.status + e.connect + e.read + e.write + e.timeout, summary.duration, latency:percentile(50),
    latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Load:
    """rps: answers with 200 a second; p50, p99: microseconds; bad: answers with another status, and errors."""

    rps: float
    p50: float
    p99: float
    bad: int


def requests(port: int, clients: int, seconds: float, key: str) -> Load:
    if shutil.which("wrk"):
        return _wrk(port, clients, seconds, key)
    return uvloop.run(_own(port, clients, seconds, key))


def _wrk(port: int, clients: int, seconds: float, key: str) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA % (key, BODY))
        script.flush()
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:.0f}s", "--timeout", "10s", "-s", script.name]
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        done = subprocess.run([*command, url], capture_output=True, text=True, check=True)
    said = json.loads(done.stdout[done.stdout.rindex("{") :])
    return Load((said["requests"] - said["bad"]) / said["us"] * 1e6, said["p50"], said["p99"], said["bad"])


class Client(asyncio.Protocol):
    """Sends the same request again and again, or once; remembers how long each answer took."""

    def __init__(self, data: bytes, until: float) -> None:
        self.data, self.until = data, until
        self.times: list[float] = []
        self.bad = 0
        self.pieces = 0
        self.parser = httptools.HttpResponseParser(self)
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._send()

    def _send(self) -> None:
        self.begun = time.perf_counter()
        self.transport.write(self.data)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.pieces += data.count(b"data: ")
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() == 200:
            self.times.append(time.perf_counter() - self.begun)
        else:
            self.bad += 1
        if time.perf_counter() < self.until:
            self._send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.end.done():
            self.end.set_result(None)


async def _clients(port: int, count: int, data: bytes, seconds: float) -> list[Client]:
    loop, until = asyncio.get_running_loop(), time.perf_counter() + seconds
    made = [await loop.create_connection(lambda: Client(data, until), "127.0.0.1", port) for _ in range(count)]
    await asyncio.gather(*(client.end for _, client in made))
    return [client for _, client in made]


def _request(key: str, body: str, fake: str = "") -> bytes:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
    head += f"x-fake: {fake}\r\n" if fake else ""
    return f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


async def _own(port: int, clients: int, seconds: float, key: str) -> Load:
    done = await _clients(port, clients, _request(key, BODY), seconds)
    times = sorted(t for client in done for t in client.times)
    p50, p99 = statistics.median(times) * 1e6, times[int(len(times) * 0.99)] * 1e6
    return Load(len(times) / seconds, p50, p99, sum(client.bad for client in done))


@dataclass(frozen=True)
class Streams:
    """slowest, median: seconds of a stream; ideal: what its pace alone takes; chunks: all that arrived."""

    slowest: float
    median: float
    ideal: float
    chunks: int


def streams(port: int, count: int, chunks: int, pace: float, key: str) -> Streams:
    async def run() -> list[Client]:
        fake = f"stream chunks={chunks} pace={pace}"
        body = json.dumps({**json.loads(BODY), "stream": True})
        return await _clients(port, count, _request(key, body, fake), 0)

    done = uvloop.run(run())
    times = sorted(t for client in done for t in client.times) or [float("inf")]
    got = sum(client.pieces for client in done)
    return Streams(times[-1], statistics.median(times), (chunks + 2) * pace, got)


def rss(pid: int) -> float:
    """Resident MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6
