"""The straight line on one real engine: up, the official clients, 40 turns through the supervisor, down."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from orchestrator.core.dialogue.wording import ASK_WEATHER, WEATHER
from tests.homes import Cli
from tests.names import apart

NAME = apart("line")
SUPERVISORS = ["embedded", pytest.param("llama-swap", marks=pytest.mark.component("llama-swap"))]


@dataclass
class Line:
    cli: Cli
    url: str

    @classmethod
    def up(cls, cli: Cli, *where: Any, timeout: float = 240, **model: Any) -> Line:
        """As `write`, and up within that many seconds."""
        line = cls.write(cli, *where, **model)
        done = cli("up", timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return line

    @classmethod
    def write(
        cls,
        cli: Cli,
        port: int,
        backend: str,
        source: Path,
        supervisor: str,
        *,
        top: Mapping[str, Any] | None = None,
        **model: Any,
    ) -> Line:
        """The stack.yaml alone. top: further keys of it."""
        made = {"sources": {backend: {"path": str(source)}}, "roles": ["default"], "serve": {"concurrency": 4}} | model
        stack = {
            "version": 1,
            "name": NAME,
            "endpoint": {"listen": f"127.0.0.1:{port}"},
            "supervisor": supervisor,
            "models": {"selftest": made},
            **(top or {}),
        }
        (cli.home.work / "stack.yaml").write_text(json.dumps(stack))
        return cls(cli, f"http://127.0.0.1:{port}/v1")

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.cli("status", "--json").stdout))

    def forty_clean_turns(self, *probe: str, timeout: float = 240) -> None:
        """probe: arguments of `stack probe`, `selftest` through the daemon by default."""
        done = self.cli("probe", *(probe or ("selftest",)), "--json", timeout=timeout)
        verdict = json.loads(done.stdout)
        bad = [finding for finding in verdict["findings"] if finding["severity"] != "N"]
        assert (done.returncode, verdict["verdict"], verdict["first_failure"], bad) == (0, "pass", None, [])
        assert verdict["clean_turns"] == verdict["turns"] >= 40
        if not probe:
            assert self.status()["models"][0]["tools"] == "verified"

    def openai_client(self) -> None:
        """Plain, streamed and with tools; by role; an unknown name is a 404."""
        with openai.OpenAI(base_url=self.url, api_key="none", max_retries=0) as client:
            hello: list[Any] = [{"role": "user", "content": "hello"}]
            assert (
                client.chat.completions.create(model="selftest", messages=hello, max_tokens=24)
                .choices[0]
                .message.content
            )
            chunks = list(client.chat.completions.create(model="default", messages=hello, max_tokens=24, stream=True))
            assert any(chunk.choices and chunk.choices[0].delta.content for chunk in chunks)
            ask: list[Any] = [{"role": "user", "content": ASK_WEATHER.format(city="Paris")}]
            reply = client.chat.completions.create(model="selftest", messages=ask, tools=[WEATHER], temperature=0)  # type: ignore[call-overload]
            (call,) = reply.choices[0].message.tool_calls
            assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
            with pytest.raises(openai.NotFoundError, match="selftest"):
                client.chat.completions.create(model="selftes", messages=hello)

    def kill_9_of_the_engine_is_survived(self) -> None:
        """The next request waits for the new engine; the client sees no error."""
        pid = self.status()["models"][0]["pid"]
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while self.status()["models"][0]["pid"] in (pid, None):
            assert time.monotonic() < deadline, "the engine was not started again"
            time.sleep(0.1)
        with openai.OpenAI(base_url=self.url, api_key="none", max_retries=0) as client:
            hello: list[Any] = [{"role": "user", "content": "hello"}]
            assert client.chat.completions.create(model="selftest", messages=hello, max_tokens=24).choices

    def anthropic_client(self) -> None:
        with anthropic.Anthropic(base_url=self.url.removesuffix("/v1"), api_key="none", max_retries=0) as client:
            hello: list[Any] = [{"role": "user", "content": "hello"}]
            assert client.messages.create(model="selftest", max_tokens=24, messages=hello).content
            with client.messages.stream(model="selftest", max_tokens=24, messages=hello) as stream:
                assert stream.get_final_message().content


def lines(backend: str, source: Path) -> Callable[..., Iterator[Line]]:
    """A module-scoped fixture would share a home between tests; one `up` a test keeps them apart."""

    @pytest.fixture(params=SUPERVISORS)
    def line(request: pytest.FixtureRequest, stack_cli: Cli, free_port: Callable[[], int]) -> Line:
        return Line.up(stack_cli, free_port(), backend, source, request.param)

    return line  # type: ignore[return-value]
