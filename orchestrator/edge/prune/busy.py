"""What runs on this machine now, whoever started it."""

from __future__ import annotations

import contextlib

import psutil


def command_lines() -> list[str]:
    """Arguments and executables of all processes that we may see."""
    found: list[str] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            found += [*process.cmdline(), process.exe()]
    return found
