"""`stack try` where models sleep, on fakes in the clothes of vLLM: what sleeps keeps its share, and is not woken."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fake_stack import ENGINE
from tests.homes import Cli
from tests.names import apart

pytestmark = pytest.mark.usefixtures("one_try")
STACK = apart("sleepers", "a", "b")
SMI = """#!/bin/sh
case "$1" in
*memory.free*) printf '0, 24000\\n' ;;
*) printf '0, GPU-aaaa, Card, 24564, 580.1, [N/A]\\n' ;;
esac
"""
VLLM = """#!{python}
import os, sys


def after(flag): return sys.argv[sys.argv.index(flag) + 1]
if "--help=all" in sys.argv:
    print("usage: vllm serve\\n" + "\\n".join(f"  {{name}} X   text" for name in {flags!r}))
    raise SystemExit
own = ["--port", after("--port"), "--model", after("--served-model-name"), "--sleeps", "well"]
os.execv({python!r}, [{python!r}, {engine!r}, *own])
"""
FLAGS = (
    *("--served-model-name", "--host", "--port", "--max-model-len", "--max-num-seqs", "--kv-cache-memory-bytes"),
    *("--enable-auto-tool-choice", "--tool-call-parser", "--enable-sleep-mode", "--max-logprobs"),
)


def write(cli: Cli, port: int, weights: Path) -> None:
    """Two that take turns: each has a GiB of KV, and a GiB to work with that it keeps while it sleeps."""
    for name, text in (("nvidia-smi", SMI), ("vllm", VLLM)):
        script = cli.home.path / "bin" / name
        script.write_text(
            text.format(python=sys.executable, engine=str(ENGINE), flags=FLAGS) if name == "vllm" else text
        )
        script.chmod(0o755)
    model: dict[str, Any] = {
        "sources": {"vllm": {"path": str(weights)}},
        "capabilities": ["chat", "tools"],
        "context": 8192,
        "memory": {"kv": "1GiB"},
        "residency": "sleep",
    }
    stack: dict[str, Any] = {
        "version": 1,
        "name": STACK,
        "endpoint": {"listen": f"127.0.0.1:{port}"},
        "budget": {"gpu": {"0": {"reserve": "20980MiB"}}},
        "models": {"a": model, "b": model},
        "probe": {"on_up": "none"},
    }
    (cli.home.work / "stack.yaml").write_text(json.dumps(stack))


def rows(cli: Cli) -> dict[str, Any]:
    return {row["id"]: row for row in json.loads(cli("status", "--json").stdout)["models"]}


def asleep(row: dict[str, Any]) -> bool:
    return bool(httpx.get(f"http://127.0.0.1:{row['port']}/is_sleeping", trust_env=False).json()["is_sleeping"])


def test_what_sleeps_keeps_its_share_and_is_not_woken(
    stack_cli: Cli, selftest_model: Path, free_port: Callable[[], int]
) -> None:
    write(stack_cli, free_port(), selftest_model)
    up = stack_cli("up")
    assert up.returncode == 0, up.stderr
    for model in ("b", "a"):
        assert stack_cli("load", model).returncode == 0
    before = rows(stack_cli)
    assert (before["a"]["state"], before["b"]["state"], asleep(before["b"])) == ("ready", "stopped", True)

    flags = ("--", "--max-logprobs", "5")
    beside = stack_cli("try", "a", "--tier", "quick", *flags)
    assert (beside.returncode, "--instead unloads a for the time" in beside.stderr) == (4, True), beside.stderr
    assert "beside a 2.0 GiB, b 1.0 GiB" in beside.stderr
    instead = stack_cli("try", "a", "--tier", "quick", "--instead", "--json", *flags)
    assert instead.returncode == 0, instead.stdout + instead.stderr
    told = json.loads(instead.stdout)
    assert (told["a"]["verdict"], told["b"]["verdict"], told["tried"]["instead"]) == ("pass", "pass", True)
    after = rows(stack_cli)
    assert after["a"]["state"] == "ready"
    assert after["a"]["pid"] != before["a"]["pid"]
    assert (after["b"]["pid"], asleep(after["b"])) == (before["b"]["pid"], True)

    # the sleeper itself: beside the other it has no room, asleep or not
    other = stack_cli("try", "b", "--tier", "quick", "--instead", *flags)
    assert (other.returncode, "stack unload a" in other.stderr) == (4, True), other.stderr
