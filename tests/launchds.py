"""A `launchctl` on PATH that is tests/fakes/launchctl.py, and an end to all that it started. No launchd runs here."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAKE = Path(__file__).parent / "fakes" / "launchctl.py"


@dataclass(frozen=True, slots=True)
class FakeLaunchd:
    """folder: what it knows, one JSON file a job; bin: the folder with the command."""

    folder: Path
    bin: Path

    def jobs(self) -> dict[str, dict[str, Any]]:
        """By label, of what is loaded."""
        found = {}
        for file in self.folder.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                found[file.stem] = json.loads(file.read_text())
        return found

    def calls(self, *verbs: str) -> list[list[str]]:
        """What was asked of it since `forget`, only of these subcommands."""
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        return [words for words in map(json.loads, lines) if words[0] in verbs]

    def forget(self) -> None:
        (self.folder / "calls").unlink(missing_ok=True)

    def disabled(self) -> set[str]:
        return {file.stem for file in self.folder.glob("*.disabled")}


@contextlib.contextmanager
def running(folder: Path, bin_: Path, *, speed: float = 20) -> Iterator[FakeLaunchd]:
    """bin_: where the command `launchctl` is put; speed: how much faster than launchd it starts a job again."""
    folder.mkdir(parents=True)
    bin_.mkdir(parents=True, exist_ok=True)
    (folder / "speed").write_text(str(speed))
    command = bin_ / "launchctl"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -SE "{FAKE}" "{folder}" "$@"\n')
    command.chmod(0o755)
    made = FakeLaunchd(folder, bin_)
    try:
        yield made
    finally:
        _end(made)


def _end(made: FakeLaunchd) -> None:
    deadline = time.monotonic() + 30
    while (jobs := made.jobs()) and time.monotonic() < deadline:
        for job in jobs.values():  # one that was just loaded has no keeper yet
            with contextlib.suppress(ProcessLookupError, KeyError):
                os.kill(job["keeper"], signal.SIGTERM)
        time.sleep(0.05)
    for job in made.jobs().values():
        for pid in filter(None, (job.get("keeper"), job["pid"])):  # 0 would be our own group
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
