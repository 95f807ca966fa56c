"""The straight line on a server that somebody else runs: a real llama-server, attached by its URL."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.homes import Cli, Home
from tests.line import NAME, Line

pytestmark = pytest.mark.component("llama-server")


@pytest.fixture
def foreign(
    stack_home: Home, require: Callable[[str], Path], selftest_gguf: Path, free_port: Callable[[], int]
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A llama-server with a key of its own, and its API root. Not in the private HOME: it is not ours to stop."""
    port = free_port()
    (stack_home.work / "key").write_text("foreign-key\n")
    argv = [str(require("llama-server")), "-m", str(selftest_gguf), "-a", "theirs", "--host", "127.0.0.1"]
    argv += ["--port", str(port), "--jinja", "-c", "32768", "-np", "4", "--api-key", "foreign-key"]
    with open(stack_home.work / "foreign.log", "wb") as log:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        yield process, f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            assert time.monotonic() < deadline, f"{url} never answered"
        time.sleep(0.1)


def test_forty_clean_turns_on_a_server_that_is_not_ours(
    foreign: tuple[subprocess.Popen[bytes], str],
    stack_cli: Cli,
    free_port: Callable[[], int],
    selftest_model: Path,
) -> None:
    process, url = foreign
    source = {"openai": {"url": url, "model": "theirs", "key": {"file": "./key"}}}
    port = free_port()
    stack = {
        "version": 1,
        "name": NAME,
        "endpoint": {"listen": f"127.0.0.1:{port}"},
        "models": {"selftest": {"sources": source, "roles": ["default"], "context": 8192}},
    }
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps(stack))
    done = stack_cli("up", timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    line = Line(stack_cli, f"http://127.0.0.1:{port}/v1")
    line.openai_client()
    line.forty_clean_turns("--url", line.url, "--model", "selftest", "--weights", str(selftest_model))
    (model,) = line.status()["models"]
    assert (model["owner"], model["state"], model["pid"]) == ("external", "external", None)

    assert stack_cli("down").returncode == 0
    assert process.poll() is None, "`stack down` ended a server that is not ours"
    written = [file for file in stack_cli.home.state.rglob("*") if file.is_file()]
    assert written
    assert not [file for file in written if b"foreign-key" in file.read_bytes()]
