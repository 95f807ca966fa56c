"""The daemon as seen from outside: start it detached, tell it to leave, sweep what a crash left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from orchestrator.edge.control import client as control
from orchestrator.edge.paths import StackPaths
from orchestrator.edge.run import container_sweep, identity, logs, ports
from orchestrator.edge.run.embedded import GRACE, end_strangers
from orchestrator.edge.run.process import Child, end, spawn
from orchestrator.errors import EngineError

ORIGIN = "file"
LEAVE = 180.0
"""Seconds that a daemon gets to stop its engines: drain, SIGTERM, SIGKILL."""


def start(paths: StackPaths, plan_file: Path, listen: tuple[tuple[str, int], ...]) -> None:
    """Starts `stack serve --plan` detached and returns once its control socket answers.

    Raises PortTaken before anything is started, and EngineError with the log's tail if the daemon ends at once. An
    interrupt ends the daemon: it may not listen yet, so nobody else could tell it to go.
    """
    check_ports(listen)
    log = paths.logs / "daemon.log"
    argv = (sys.executable, "-m", "orchestrator.cli.main", "serve", "--plan", str(plan_file), "--name", paths.name)
    with _interrupts_held() as pressed:
        child = spawn(argv, os.environ, log, paths.state)  # whole or not at all: an interrupt waits until we know it
    try:
        if pressed:
            raise KeyboardInterrupt
        _wait(child, paths, log)
    except KeyboardInterrupt:
        _finish(end(child, LEAVE))
        raise
    child.disown()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[list[int]]:
    """Those that came meanwhile. Only the main thread is ever interrupted."""
    pressed: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


def check_ports(listen: Iterable[tuple[str, int]]) -> None:
    """Raises PortTaken if the gateway could not listen there."""
    for host, port in listen:
        if not ports.free(port, host):
            raise ports.taken(port, "the gateway")


def _wait(child: Child, paths: StackPaths, log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if not child.alive():
            details = logs.tail(log, 5, this_run=True)
            raise EngineError("the daemon ended at once", mend=f"see {log}", details=details)
        if control.status(paths) is not None:
            return
        time.sleep(0.05)
    details = logs.tail(log, 5, this_run=True)
    raise EngineError("the daemon does not answer within 30 s", mend=f"see {log}", details=details)


def leave(paths: StackPaths, *, keep_engines: bool) -> bool:
    """Tells the daemon to go and waits until it has. False if none was running."""
    status = control.status(paths)
    if status is None:
        return False
    with contextlib.suppress(control.NotRunning):
        control.call(paths, "POST", "/leave", {"keep_engines": keep_engines})
    deadline = time.monotonic() + LEAVE
    while time.monotonic() < deadline:
        if _gone(int(status["pid"])):
            return True
        time.sleep(0.05)
    raise EngineError(
        f"the daemon (pid {status['pid']}) does not end", mend=f"kill -9 {status['pid']}, then stack down"
    )


def _gone(pid: int) -> bool:
    import psutil

    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def end_silent_daemon(paths: StackPaths) -> None:
    """Ends a daemon that lives but does not answer (it hangs): found by what it wrote at its start."""
    import psutil

    try:
        pid = int(json.loads(paths.daemon.read_text())["pid"])
        process = psutil.Process(pid)
        argv = process.cmdline()
    except (OSError, ValueError, KeyError, psutil.Error):
        return
    if "serve" in argv and paths.name in argv and process.uids().real == os.getuid():
        with contextlib.suppress(psutil.Error):
            process.kill()
            process.wait(10)


def sweep(paths: StackPaths) -> int:
    """Ends every process and container of this stack. Returns how many there were. Raises EngineError."""
    found = len(identity.find(paths.name))
    if found:
        _finish(end_strangers(paths.name, ()))
    found += container_sweep.sweep(paths.name, paths.plan)
    paths.socket.unlink(missing_ok=True)
    paths.daemon.unlink(missing_ok=True)
    return found


def sweep_tries(paths: StackPaths) -> None:
    """Ends the engine that a killed `stack try` left. For a holder of the stack's lock: no other try runs then."""
    for process in identity.find(paths.name):
        if process.model.startswith(identity.TRY):
            _finish(end(Child(process.pid, process.created), GRACE))
    container_sweep.sweep_tries(paths.name)


def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.run(work)
        return
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def remember(paths: StackPaths, file: Path) -> None:
    """Which stack.yaml this stack is up from."""
    paths.state.mkdir(parents=True, exist_ok=True)
    (paths.state / ORIGIN).write_text(f"{file}\n")


def former(paths: StackPaths, file: Path) -> list[StackPaths]:
    """Stacks that are up from the same file under another name: its `name:` was changed meanwhile."""
    found = []
    for origin in paths.state.parent.glob(f"*/{ORIGIN}"):
        other = StackPaths(origin.parent.name)
        if other.name != paths.name and origin.read_text().strip() == str(file) and control.status(other) is not None:
            found.append(other)
    return found
