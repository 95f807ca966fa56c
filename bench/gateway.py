"""The gateway against the upstream directly and against llama-swap, in one run: python bench/gateway.py

Rounds are interleaved, so that whatever else the machine does hits all alike; medians of the rounds are compared.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.gateway_app import KEY
from bench.gateway_load import Load, requests, rss, streams

HERE = Path(__file__).parent
UPSTREAM = HERE.parent / "tests" / "fakes" / "upstream.py"


@contextlib.contextmanager
def process(*command: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.terminate()


def port_of(started: subprocess.Popen[str]) -> int:
    assert started.stdout is not None
    return int(started.stdout.readline())


@contextlib.contextmanager
def llama_swap(binary: str, upstream: int) -> Iterator[tuple[int, int]]:
    """(port, pid). Its limit lies above the clients, its captures are off."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    model = {"cmd": "sleep 86400", "proxy": f"http://127.0.0.1:{upstream}", "checkEndpoint": "none"}
    model |= {"concurrencyLimit": 100_000, "useModelName": "default_model"}
    config = {"logLevel": "error", "captureBuffer": 0, "apiKeys": [KEY], "models": {"tiny": model}}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(json.dumps(config))
        command = [binary, "-config", str(file), "-listen", f"127.0.0.1:{port}"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
            try:
                while True:
                    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                        break
                    time.sleep(0.05)
                yield port, started.pid
            finally:
                started.terminate()


def median(loads: list[Load]) -> Load:
    """Of each number on its own."""
    return Load(
        *(statistics.median(getattr(load, name) for load in loads) for name in ("rps", "p50", "p99")),
        sum(load.bad for load in loads),
    )


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=4)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--clients", type=int, nargs="+", default=[1, 16, 256])
    options.add_argument("--streams", type=int, default=256, help="0 = none")
    options.add_argument("--chunks", type=int, default=1000)
    options.add_argument("--pace", type=float, default=0.03, help="seconds between two chunks of a stream")
    chosen = options.parse_args()
    binary = shutil.which("llama-swap")
    with contextlib.ExitStack() as stack:
        upstream = port_of(stack.enter_context(process(sys.executable, str(UPSTREAM))))
        app = stack.enter_context(process(sys.executable, str(HERE / "gateway_app.py"), str(upstream), "0"))
        ports = {"direct": upstream, "gateway": port_of(app)}
        pids = {"gateway": app.pid}
        if binary:
            ports["llama-swap"], pids["llama-swap"] = stack.enter_context(llama_swap(binary, upstream))
        for port in ports.values():
            requests(port, 4, 1, KEY)
        for clients in chosen.clients:
            found: dict[str, list[Load]] = {name: [] for name in ports}
            for _ in range(chosen.rounds):
                for name, port in ports.items():
                    found[name].append(requests(port, clients, chosen.seconds, KEY))
            report(clients, {name: median(loads) for name, loads in found.items()})
        print("memory (resident MB):", ", ".join(f"{name} {rss(pid):.0f}" for name, pid in pids.items()))
        if chosen.streams:
            for name, port in ports.items():
                got = streams(port, chosen.streams, chosen.chunks, chosen.pace, KEY)
                whole = chosen.streams * (chosen.chunks + 2)
                print(
                    f"streams: {name:10} {chosen.streams} of {chosen.chunks} chunks, {got.chunks} of {whole} came, "
                    f"median {got.median:.1f} s, slowest {got.slowest:.1f} s, pace alone {got.ideal:.1f} s"
                )
            print("memory (resident MB):", ", ".join(f"{name} {rss(pid):.0f}" for name, pid in pids.items()))
    return 0


def report(clients: int, loads: dict[str, Load]) -> None:
    direct, ours = loads["direct"], loads["gateway"]
    for name, load in loads.items():
        bad = f", {load.bad} were not 200" if load.bad else ""
        print(f"{clients:4} clients  {name:10} {load.rps:8.0f} /s  p50 {load.p50:7.0f} µs  p99 {load.p99:8.0f} µs{bad}")
    if peer := loads.get("llama-swap"):
        added = (ours.p50 - direct.p50) / max(peer.p50 - direct.p50, 1)
        print(f"{clients:4} clients  gateway = {ours.rps / peer.rps:.1f} x llama-swap, {added:.2f} x its added median")


if __name__ == "__main__":
    sys.exit(main())
