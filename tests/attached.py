"""The fakes of Ollama and LM Studio as processes of a test, and a stack.yaml that attaches to one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.names import apart

FAKES = Path(__file__).parent / "fakes"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A server that is not ours. root: its address without a path."""

    root: str
    process: subprocess.Popen[bytes]
    key: str | None = None

    def log(self, path: str = "") -> list[dict[str, Any]]:
        """Bodies of the requests for that `POST /path`, in order."""
        rows = httpx.get(f"{self.root}/fake/log", trust_env=False).json()["log"]
        return [row["body"] for row in rows if path in ("", row["path"])]

    def forget(self) -> None:
        """As if it had been restarted: nothing is loaded."""
        httpx.post(f"{self.root}/fake/forget", headers=self._headers, trust_env=False)

    def loaded(self) -> list[dict[str, Any]]:
        """/api/ps of Ollama."""
        return list(httpx.get(f"{self.root}/api/ps", headers=self._headers, trust_env=False).json()["models"])

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


@contextmanager
def foreign(name: str, port: int, *options: str, key: str | None = None) -> Iterator[Foreign]:
    """name: `ollama` or `lm_studio`; options: as its fake takes them."""
    argv = [sys.executable, str(FAKES / f"{name}.py"), "--port", str(port), *options]
    argv += ["--key", key] if key else []
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    made = Foreign(f"http://127.0.0.1:{port}", process, key)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                made.log()
                break
            except httpx.TransportError:
                assert process.poll() is None, f"the fake {name} has ended"
                assert time.monotonic() < deadline, f"the fake {name} does not answer"
                time.sleep(0.05)
        yield made
    finally:
        process.kill()
        process.wait()


def write_stack(work: Path, port: int, source: dict[str, Any], top: dict[str, Any] | None = None, **model: Any) -> None:
    """A stack.yaml with the one model `m` on one source."""
    stack = {
        "version": 1,
        "name": apart("attached", "m"),
        "endpoint": {"listen": f"127.0.0.1:{port}"},
        "models": {"m": {"sources": source, "roles": ["default"], **model}},
    }
    (work / "stack.yaml").write_text(json.dumps(stack | (top or {})))  # YAML holds JSON


def until(what: Any, seconds: float = 30) -> Any:
    """The first true answer of `what()`."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)
    return found
