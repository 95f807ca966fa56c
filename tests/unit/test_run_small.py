"""The small things under edge/run: logs, locks, ports, markers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.edge.lock import held
from orchestrator.edge.paths import LONGEST, StackPaths
from orchestrator.edge.run import identity, logs, ports
from orchestrator.edge.run.process import environment
from orchestrator.errors import EngineError, LockHeld
from tests.gateways import eventually


def test_a_log_above_its_limit_is_copied_and_truncated_under_its_writer(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    with open(path, "ab", buffering=0) as writer:
        for round_ in range(5):
            writer.write(b"x" * 100 + str(round_).encode())
            logs.rotate(path, limit=50)
        writer.write(b"after")
    assert path.read_bytes() == b"after"
    assert (tmp_path / "a.log.1").read_bytes().endswith(b"4")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.log", "a.log.1", "a.log.2", "a.log.3"]


def test_the_tail_of_a_log_and_of_none(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("\n".join(f"line {n}" for n in range(100)) + "\n\n")
    assert logs.tail(path, 2) == ("line 98", "line 99")
    assert logs.tail(tmp_path / "none.log") == ()


def test_a_log_that_cannot_be_written_is_an_engine_error() -> None:
    with pytest.raises(EngineError, match="cannot be written"):
        logs.opened(Path("/dev/full"))


def test_a_second_holder_is_told_the_first_ones_pid(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    code = "import sys; from pathlib import Path; from orchestrator.edge.lock import held\n"
    code += "with held(Path(sys.argv[1]), 'test'): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(LockHeld, match=rf"pid {other.pid} \(test\)"), held(lock, "me"):
            pass
        other.communicate()
    with held(lock, "me"):
        assert f"pid {os.getpid()}" in lock.read_text()


def test_the_holder_of_a_port_is_named(free_port: Callable[[], int]) -> None:
    port = free_port()
    assert ports.free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not ports.free(port)
        error = ports.taken(port, "model tiny")
    assert f"port {port} for model tiny is taken by pid {os.getpid()}" in error.text


def test_our_processes_are_found_by_their_marker_and_no_others() -> None:
    env = dict(os.environ) | {identity.VARIABLE: "some-stack/org/model:7b/abc123"}
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], env=env, stdin=subprocess.PIPE, start_new_session=True
    ) as p:
        eventually(lambda: bool(identity.find("some-stack")))  # before its exec it has our environment
        (found,) = identity.find("some-stack")
        assert (found.pid, found.model, found.hash, found.leader) == (p.pid, "org/model:7b", "abc123", True)
        assert identity.find("some") == []
        assert identity.alive(found.pid, found.created)
        assert not identity.alive(found.pid, found.created + 60)
        p.communicate(b"\n")
    assert not identity.alive(found.pid, found.created)


def test_an_engine_sees_its_own_variables_and_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIVATE_TOKEN", "t")
    monkeypatch.setenv("WANTED", "w")
    env = environment("s/m/h", [("A", "1")], ["WANTED"])
    assert (env["A"], env["WANTED"], env["STACK_RUN"]) == ("1", "w", "s/m/h")
    assert "PRIVATE_TOKEN" not in env
    with pytest.raises(EngineError, match="MISSING is not set"):
        environment("s/m/h", [], ["MISSING"])


def test_a_runtime_folder_with_too_long_a_path_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        assert StackPaths("a").socket.is_relative_to(short)
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    assert len(os.fsencode(StackPaths("a").socket)) < LONGEST
    assert StackPaths("a").socket != StackPaths("b").socket
