"""A gateway on a real socket before a real upstream process, for tests."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import uvloop

from orchestrator.core.launch import Attach, Launch, Ready, Serving
from orchestrator.core.plan import Plan
from orchestrator.core.spec import Stack
from orchestrator.edge.gateway.gateway import Gateway
from orchestrator.edge.gateway.limits import Limits
from orchestrator.edge.gateway.listener import serve
from orchestrator.edge.run.api import Upstream
from tests.fakes.static_supervisor import StaticSupervisor
from tests.plans import plan_of

UPSTREAM = Path(__file__).parent / "fakes" / "upstream.py"
Tools = Literal["verified", "degraded", "failed", "untested", "none"]
NATIVE = ("/v1/messages", "/v1/messages/count_tokens", "/v1/responses")
CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}


def eventually(said: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not said():
        assert time.monotonic() < until
        time.sleep(0.02)


@dataclass(frozen=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Running:
    """port: the gateway's; upstream: the port of tests/fakes/upstream.py, 0 = nothing listens there; loop: its own."""

    port: int
    upstream: int
    gateway: Gateway
    supervisor: StaticSupervisor
    loop: asyncio.AbstractEventLoop
    verdicts: dict[str, Tools] = field(default_factory=dict)
    ready: list[bool] = field(default_factory=lambda: [True])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answered:
        """One request on a connection of its own. body: bytes, or what becomes JSON."""
        return ask(self.port, method, path, body, headers)

    def chat(self, fake: str = "", **more: Any) -> Answered:
        return self.ask("POST", "/v1/chat/completions", {**CHAT, **more}, {"x-fake": fake} if fake else {})

    def log(self) -> list[dict[str, Any]]:
        """What the upstream has seen."""
        found: list[dict[str, Any]] = ask(self.upstream, "GET", "/log").json()
        return found

    def metrics(self) -> dict[str, float]:
        lines = self.ask("GET", "/metrics").body.decode().splitlines()
        return {k: float(v) for k, _, v in (line.rpartition(" ") for line in lines if not line.startswith("#"))}

    def raw(self, data: bytes, *, half_close: bool = False) -> bytes:
        """Send these bytes, read to the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))


def ask(port: int, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answered:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, dict(headers or {}))
        answer = connection.getresponse()
        return Answered(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())


@contextlib.contextmanager
def upstream(*options: str) -> Iterator[int]:
    """The fast fake upstream as a process; its port."""
    command = [sys.executable, str(UPSTREAM), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def plan_for(
    base: str, native: tuple[str, ...], launch: Mapping[str, Any], shape: Mapping[str, Any], **stack: Any
) -> Plan:
    """Models `tiny` (alias `small`, role `default`) and `org/other`, both at `base`. launch: of both, beside what they
    must have; shape: what stack.yaml says of `tiny`."""
    launches = [
        replace(Launch(m, "openai", served, None, Attach(base), Ready("/"), Serving(8192), native=native), **launch)
        for m, served in (("tiny", "tiny"), ("org/other", "engine-name"))
    ]
    plan = plan_of(*launches, name="gateway")
    values = plan.stack.model_dump() | stack
    values["models"]["tiny"] |= shape
    names = {"tiny": "tiny", "small": "tiny", "default": "tiny", "org/other": "org/other"}
    names |= dict.fromkeys(shape.get("variants", {}), "tiny")
    return Plan(
        **{f: getattr(plan, f) for f in Plan.__slots__ if f not in ("stack", "names")},
        stack=Stack.model_validate(values),
        names=names,
    )


@contextlib.contextmanager
def running(
    port: int,
    *,
    base: str = "",
    key: str | None = None,
    keys: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    native: tuple[str, ...] = (),
    limit: int = 1_000_000,
    queue: int = 0,
    grace: float = 0.2,
    launch: Mapping[str, Any] | None = None,
    shape: Mapping[str, Any] | None = None,
    **stack: Any,
) -> Iterator[Running]:
    """The gateway in a thread with its own uvloop, before what listens on `port`. stack: parts of stack.yaml."""
    base = base or f"http://127.0.0.1:{port}/v1"
    started = threading.Event()
    box: list[Running] = []
    ends: list[Callable[[], object]] = []

    async def main() -> None:
        engines = {"tiny": Upstream(base, "tiny", key), "org/other": Upstream(base, "engine-name", key)}
        supervisor = StaticSupervisor(engines, limit=limit, queue=queue)
        verdicts: dict[str, Tools] = {}
        ready = [True]
        gateway = Gateway(
            plan_for(base, native, launch or {}, shape or {}, **stack),
            supervisor,
            verdicts=lambda m: verdicts.get(m, "untested"),
            findings=lambda m: "markup_in_content: the parser is wrong",
            keys=keys or {},
            ready=lambda: ready[0],
            limits=limits,
        )
        listening = socket.create_server(("127.0.0.1", 0))
        listener = await serve(gateway, [listening])
        loop = asyncio.get_running_loop()
        box.append(Running(listening.getsockname()[1], port, gateway, supervisor, loop, verdicts, ready))
        end = asyncio.Event()
        ends.append(lambda: loop.call_soon_threadsafe(end.set))
        started.set()
        await end.wait()
        await listener.close(grace)
        listening.close()

    thread = threading.Thread(target=uvloop.run, args=(main(),))
    thread.start()
    started.wait(10)
    try:
        yield box[0]
    finally:
        ends[0]()
        thread.join(10)
