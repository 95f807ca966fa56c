"""Questions that never hang: each in a thread of its own, given up after its time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import psutil

from orchestrator.core.doctor.facts import Answer, Missing
from orchestrator.errors import StackError

T = TypeVar("T")
COMMAND = 5.0
"""Seconds that another program gets."""
GATHER = 20.0
"""Seconds for one kind of fact; a network disk or a driver that hangs takes no longer."""


class Later(Generic[T]):
    """The value of `function`, worked out meanwhile. What the system refuses becomes Missing; a bug of ours is raised.

    The thread is a daemon: one that hangs in the kernel does not keep us from ending."""

    def __init__(self, what: str, function: Callable[[], T], limit: float = GATHER) -> None:
        self._what = what
        self._ends = time.monotonic() + limit
        self._function = function
        self._value: T | Missing = Missing(f"{what}: no answer within {limit:g} s")
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"doctor {what}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._function()
        except (OSError, StackError, psutil.Error, UnicodeDecodeError) as error:
            self._value = Missing(f"{self._what}: {error}")
        except BaseException as error:
            self._error = error

    def value(self) -> T | Missing:
        self._thread.join(max(0.0, self._ends - time.monotonic()))
        if self._error is not None:
            raise self._error
        return self._value


def ask(*argv: str, limit: float = COMMAND) -> Answer | None:
    """What a program prints; None when it is not on PATH. A child that cannot even be killed is left behind."""
    program = shutil.which(argv[0])
    if program is None:
        return None
    pipe = subprocess.PIPE
    env = {**os.environ, "LC_ALL": "C"}
    try:
        process = subprocess.Popen(
            [program, *argv[1:]], env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
        )
    except OSError as error:
        return Answer(-1, f"{argv[0]}: {error.strerror or error}")
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=1)
        return Answer(-1, f"{argv[0]}: no answer within {limit:g} s")
    text = out.decode(errors="replace").rstrip("\n")
    words = err.decode(errors="replace").rstrip("\n")
    return Answer(process.returncode, "\n".join(filter(None, (text, words))))
