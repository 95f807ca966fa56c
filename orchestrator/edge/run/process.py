"""Starting and ending one process, with everything that it started itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from orchestrator.core.containers import STATE
from orchestrator.edge.run import identity, logs
from orchestrator.errors import EngineError

INHERITED = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "TZ", "XDG_CACHE_HOME", "LD_LIBRARY_PATH"),
    *("HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "CUDA_VISIBLE_DEVICES", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)


class Child:
    """A running process: one that we started, or one that an earlier daemon did (`popen` None)."""

    def __init__(self, pid: int, created: float, popen: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self.created = created
        self._popen = popen

    def alive(self) -> bool:
        if self._popen is not None:
            return self._popen.poll() is None
        return identity.alive(self.pid, self.created)

    def disown(self) -> None:
        """It lives on after us: nobody here will wait for it."""
        if self._popen is not None and self._popen.poll() is None:
            self._popen.returncode = 0  # else Popen warns of a child that was never waited for
            self._popen = None

    @property
    def exit_code(self) -> int | None:
        return self._popen.poll() if self._popen is not None else None


def spawn(argv: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path) -> Child:
    """Starts argv in a session of its own, so that it outlives us and can be ended as a group.

    Raises EngineError when it cannot be started at all.
    """
    with logs.opened(log) as out:
        try:
            popen = subprocess.Popen(
                list(argv),
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"{argv[0]} cannot be started: {error.strerror}") from error
    try:
        created = psutil.Process(popen.pid).create_time()
    except psutil.Error:
        created = 0.0
    return Child(popen.pid, created, popen)


async def end(child: Child, grace: float) -> None:
    """SIGTERM to the group, `grace` seconds, SIGKILL to the group; returns when the leader is gone."""
    family = _family(child.pid)
    _signal(child, signal.SIGTERM)
    await _gone(child, grace)
    _signal(child, signal.SIGKILL)
    await _gone(child, 10)
    for process in family:  # a grandchild may have left the group
        with contextlib.suppress(psutil.Error):
            process.kill()
    if child.alive():
        raise EngineError(f"pid {child.pid} does not end, not even by SIGKILL", mend="it may hang in a driver: reboot")


def _family(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _signal(child: Child, number: signal.Signals) -> None:
    """To its group; to the process alone where it leads none (an engine's child that outlived it)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            if identity.alive(child.pid, child.created):
                os.kill(child.pid, number)


async def _gone(child: Child, seconds: float) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while child.alive() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)


def environment(marker: str, launch_env: Sequence[tuple[str, str]], secrets: Sequence[str]) -> dict[str, str]:
    """What an engine sees: a plain machine's variables, the launch's own, its secrets by name, the marker.

    Nothing else of the user's shell: the same stack must start the same engine from every terminal.
    """
    env = {name: os.environ[name] for name in INHERITED if name in os.environ}
    known = {identity.VARIABLE: marker, STATE: identity.home()}
    return env | secret_values(secrets) | dict(launch_env) | known


def secret_values(names: Sequence[str]) -> dict[str, str]:
    """Raises EngineError for one that is not set."""
    for name in names:
        if name not in os.environ:
            raise EngineError(f"the environment variable {name} is not set", mend=f"export {name}=...")
    return {name: os.environ[name] for name in names}
