"""Short questions to other programs."""

from __future__ import annotations

import os
import subprocess

from orchestrator.edge.host import flags


class Asked:
    """A question on its way, while others are asked."""

    def __init__(self, argv: list[str]) -> None:
        env = {**os.environ, "LC_ALL": "C"}
        pipe = subprocess.PIPE
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)
        except OSError as error:
            self._refused = str(error)

    def output(self, timeout: float = 5.0) -> tuple[int, str]:
        """(exit status, stdout and then stderr); -1 and why when it cannot run or takes too long from now on."""
        if self._process is None:
            return -1, self._refused
        with self._process as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired as error:
                process.kill()
                return -1, str(error)
        return process.returncode, (out + err).decode(errors="replace")


def output(argv: list[str], timeout: float = 5.0) -> tuple[int, str]:
    """Asks and waits: see Asked.output."""
    return Asked(argv).output(timeout)


def version(bin_: str, args: tuple[str, ...]) -> str:
    """What `bin_ args` prints, kept by path, size and time; "" when it fails."""
    what = "version"
    if (text := flags.kept(what, bin_)) is None:
        status, text = output([bin_, *args])
        if status != 0:
            return ""
        flags.remember(what, bin_, text)
    return text
