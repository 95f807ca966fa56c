"""Questions to a machine that does not answer."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import psutil
import pytest

from orchestrator.core.doctor.facts import Answer, Missing
from orchestrator.edge.doctor.later import Later, ask
from orchestrator.errors import PlanError


def test_a_value_and_what_the_system_refuses() -> None:
    assert Later("x", lambda: 1).value() == 1

    def refused() -> None:
        raise PermissionError(13, "Permission denied", "/x")

    assert Later("disk", refused).value() == Missing("disk: [Errno 13] Permission denied: '/x'")

    def ours() -> None:
        raise PlanError("not here")

    assert Later("hub", ours).value() == Missing("hub: not here")


def test_a_bug_of_ours_is_no_fact() -> None:
    with pytest.raises(ZeroDivisionError):
        Later("x", lambda: 1 // 0).value()


def test_what_never_comes_is_given_up() -> None:
    forever = threading.Event()
    assert Later("disk", forever.wait, limit=0.1).value() == Missing("disk: no answer within 0.1 s")
    forever.set()


def test_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert ask("no-such-program") is None
    assert ask("sh", "-c", "echo out; echo err >&2; exit 3") == Answer(3, "out\nerr")
    (tmp_path / "broken").write_bytes(b"\x7fELF")
    (tmp_path / "broken").chmod(0o755)
    assert ask("broken") == Answer(-1, "broken: Exec format error")


def test_a_program_that_hangs_is_ended_with_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_TEST_LATER", str(os.getpid()))
    assert ask("sh", "-c", "trap '' TERM; sleep 3600 & sleep 3600", limit=0.5) == Answer(
        -1, "sh: no answer within 0.5 s"
    )
    ours = [one for one in psutil.process_iter() if _marked(one)]
    _, alive = psutil.wait_procs(ours, timeout=10)
    assert alive == []


def _marked(process: psutil.Process) -> bool:
    try:
        return process.pid != os.getpid() and process.environ().get("STACK_TEST_LATER") == str(os.getpid())
    except psutil.Error:
        return False
