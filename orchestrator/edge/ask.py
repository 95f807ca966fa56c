"""Short questions to other programs."""

from __future__ import annotations

import os
import subprocess

from orchestrator.edge import flags


def output(argv: list[str], timeout: float = 5.0) -> tuple[int, str]:
    """(exit status, stdout and then stderr); -1 and why when it cannot run or takes too long."""
    env = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)
    except (OSError, subprocess.TimeoutExpired) as error:
        return -1, str(error)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def version(bin_: str, args: tuple[str, ...]) -> str:
    """What `bin_ args` prints, kept by path, size and time; "" when it fails."""
    what = "version"
    if (text := flags.kept(what, bin_)) is None:
        status, text = output([bin_, *args])
        if status != 0:
            return ""
        flags.remember(what, bin_, text)
    return text
