"""How long commands and the way to the first completion take: python bench/startup.py [--clone]

`stack plan` beside the bare interpreter and beside the libraries that it stands on, in interleaved rounds; `stack up`
from the engine's first sign of life to the first completion through the gateway; `make up` from a fresh clone.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.homes import STACK, Cli, Home, private_home

ROOT = Path(__file__).parents[1]
PYTHON = str(STACK.with_name("python"))
PLAN = (str(STACK), "plan", "--file", str(ROOT / "stack.yaml"))
COMMANDS = {
    "python -c pass": (PYTHON, "-c", "pass"),
    "import pydantic, typer": (PYTHON, "-c", "import pydantic, typer"),
    "stack plan": PLAN,
}
PROBE = """import json, sys
from orchestrator.cli.main import run
try:
    run()
finally:
    print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""
HEAVY = {"httpx", "huggingface_hub", "starlette", "uvicorn", "uvloop", "asyncio", "rich", "jinja2", "psutil"}
LONGEST = 180.0
"""Seconds that an `up` may take."""


def bytecode(env: Mapping[str, str]) -> dict[str, str]:
    """As on an ordinary machine, where a module is compiled once."""
    return {key: value for key, value in env.items() if key != "PYTHONDONTWRITEBYTECODE"}


@dataclass
class Times:
    """Milliseconds: by the clock, and of the processor alone (which says more on a busy machine)."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def add(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        begun = time.perf_counter()
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        self.wall.append((time.perf_counter() - begun) * 1e3)
        self.cpu.append((used.ru_utime + used.ru_stime) * 1e3)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} exited with {process.returncode}")


def processes(home: Home, rounds: int) -> None:
    env = bytecode(home.env)
    found = {name: Times() for name in COMMANDS}
    for command in COMMANDS.values():
        Times().add(command, env)  # what is cached once is cached now
    for _ in range(rounds):
        for name, command in COMMANDS.items():
            found[name].add(command, env)
    base = found["import pydantic, typer"]
    for name, times in found.items():
        ratio = statistics.median(times.wall) / statistics.median(base.wall)
        print(
            f"{name:23} median {statistics.median(times.wall):4.0f} ms, least {min(times.wall):4.0f}; "
            f"processor {statistics.median(times.cpu):4.0f} ms, least {min(times.cpu):4.0f}; {ratio:.2f} x the imports"
        )
    said = subprocess.run([PYTHON, "-c", PROBE, *PLAN[1:]], env=env, capture_output=True, text=True, check=True).stderr
    heavy = sorted(HEAVY & set(json.loads(said.splitlines()[-1])))
    print(f"stack plan imports of {', '.join(sorted(HEAVY))}: {', '.join(heavy) or 'none'}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def root_stack(home: Home, port: int) -> None:
    """The root stack.yaml in the home's work folder: on a port of its own, without the probe."""
    stack = yaml.safe_load((ROOT / "stack.yaml").read_text())
    stack["endpoint"]["listen"] = f"127.0.0.1:{port}"
    stack["probe"]["on_up"] = "none"
    for model in stack["models"].values():
        for source in model["sources"].values():
            source["path"] = str(ROOT / source["path"])
    (home.work / "stack.yaml").write_text(yaml.safe_dump(stack))


class Watch(threading.Thread):
    """Asks the same until the answer is 200. at: when it came (perf_counter), None if it never did."""

    def __init__(self, port: int, method: str, path: str, body: str | None = None) -> None:
        super().__init__(daemon=True)
        self.port, self.method, self.path, self.body = port, method, path, body
        self.at: float | None = None
        self.start()

    def run(self) -> None:
        until = time.perf_counter() + LONGEST
        while self.at is None and time.perf_counter() < until:
            try:
                with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST)) as connection:
                    connection.request(self.method, self.path, self.body, {"content-type": "application/json"})
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status == 200:
                        self.at = time.perf_counter()
            except (OSError, http.client.HTTPException):
                pass  # nobody listens yet
            time.sleep(0.005)

    def result(self) -> float:
        self.join(LONGEST)
        if self.at is None:
            raise SystemExit(f"{self.method} {self.path} on port {self.port} was never answered with 200")
        return self.at


def first_completion(home: Home, cli: Cli) -> float:
    """Seconds from the engine's own health to the first completion through the gateway, in one cold `stack up`."""
    port = free_port()
    root_stack(home, port)
    launch = json.loads(cli("plan", "--json").stdout)["launches"][0]
    body = {"model": launch["model"], "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}
    begun = time.perf_counter()
    up = cli.start("up")
    gateway = Watch(port, "POST", "/v1/chat/completions", json.dumps(body))
    engine = Watch(launch["port"], "GET", launch["ready"]["path"])
    ready, first = engine.result(), gateway.result()
    code = up.process.wait(LONGEST)
    done = time.perf_counter()
    cli("down")
    print(
        f"stack up ({launch['backend']}): engine answers {ready - begun:.2f} s after the command, first completion "
        f"through the gateway {first - ready:.2f} s later; `up` returns {code} after {done - begun:.2f} s"
    )
    return first - ready


def clone(folder: Path) -> None:
    """`make up` of HEAD in an empty HOME, with the package caches of whoever runs this."""
    home, copy = folder / "home", folder / "stack"
    home.mkdir()
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(copy)], check=True)
    shape = copy / "stack.yaml"
    shape.write_text(shape.read_text().replace("127.0.0.1:8484", f"127.0.0.1:{free_port()}"))
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    dropped = ("XDG_", "STACK_", "HF_", "VIRTUAL_ENV", "PYTHONPATH", "MAKE", "MFLAGS")
    env = {key: value for key, value in os.environ.items() if not key.startswith(dropped)}
    env = {"PIP_CACHE_DIR": str(caches / "pip"), "UV_CACHE_DIR": str(caches / "uv")} | env | {"HOME": str(home)}
    begun = time.perf_counter()
    try:
        code = subprocess.run(["make", "up"], cwd=copy, env=env, stdin=subprocess.DEVNULL, timeout=600).returncode
        print(f"make up from a fresh clone returned {code} after {time.perf_counter() - begun:.0f} s")
    finally:
        subprocess.run(["make", "down"], cwd=copy, env=env, stdin=subprocess.DEVNULL, timeout=120)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=20, help="of `stack plan` and its peers; 0 = none")
    options.add_argument("--ups", type=int, default=3, help="cold starts with `stack up`; 0 = none")
    options.add_argument("--clone", action="store_true", help="`make up` from a fresh clone of HEAD, too")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="stack-bench-") as folder, private_home(Path(folder)) as home:
        if chosen.rounds:
            processes(home, chosen.rounds)
        if chosen.ups:
            cli = Cli(home)
            try:
                found = [first_completion(home, cli) for _ in range(chosen.ups)]
                print(f"engine ready -> first completion through the gateway: median {statistics.median(found):.2f} s")
            finally:
                if left := cli.close():
                    print("left running, and ended now:", *left, sep="\n  ")
        if chosen.clone:
            clone(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
