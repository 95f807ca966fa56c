"""A stack.yaml whose engine is tests/fakes/engine.py in the clothes of llama-server: real processes, chosen faults.

No probe at `up` unless `top` asks for one: most of what goes wrong has nothing to do with tools.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.homes import Cli
from tests.names import apart

ENGINE = Path(__file__).parent / "fakes" / "engine.py"
NAME = apart("fake", "second")
WRAPPER = """#!{python}
import os, sys
port = sys.argv[sys.argv.index("--port") + 1]
os.execv({python!r}, [{python!r}, {engine!r}, "--port", port, *{options!r}])
"""


@dataclass
class FakeStack:
    """`write()` the stack.yaml, then use `cli` on it. options: of the fake engine."""

    cli: Cli
    weights: Path
    port: int
    engine_port: int
    options: list[str] = field(default_factory=list)
    model: dict[str, Any] = field(default_factory=dict)
    top: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        binary = self.cli.home.work / "llama-server"
        binary.write_text(WRAPPER.format(python=sys.executable, engine=str(ENGINE), options=self.options))
        binary.chmod(0o755)
        model = {
            "capabilities": ["chat", "tools"],
            "context": 8192,
            "sources": {"llama-cpp": {"path": str(self.weights)}},
            "serve": {"port": self.engine_port, "concurrency": 4} | self.model.pop("serve", {}),
            "roles": ["default"],
        }
        stack = {
            "version": 1,
            "name": NAME,
            "endpoint": {"listen": f"127.0.0.1:{self.port}"},
            "backends": {"llama-cpp": {"engine": {"bin": "./llama-server"}}},
            "models": {"tiny": model | self.model},
            "probe": {"on_up": "none"},
        }
        (self.cli.home.work / "stack.yaml").write_text(json.dumps(stack | self.top))  # YAML holds JSON

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.cli("status", "--json").stdout))

    def engine_pid(self) -> int:
        return int(self.status()["models"][0]["pid"])

    def daemon_pid(self) -> int:
        return int(self.status()["pid"])

    def engine_runs(self) -> bool:
        """Also while the daemon does not tell us of it yet."""
        for process in self.cli.home.processes():
            with contextlib.suppress(psutil.Error):
                if str(ENGINE) in process.cmdline():
                    return True
        return False

    def swap_pid(self) -> int:
        (found,) = [p.pid for p in self.cli.home.processes() if Path(p.exe()).name == "llama-swap"]
        return found

    @staticmethod
    def kill(*pids: int) -> None:
        """kill -9, and wait until they are gone."""
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            try:
                psutil.wait_procs([psutil.Process(pid)], timeout=10)
            except psutil.NoSuchProcess:
                continue


Make = Callable[..., FakeStack]
