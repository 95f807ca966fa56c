"""Facts of disks, ports, sockets and processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import psutil

from orchestrator.core.containers import MODEL, STACK
from orchestrator.core.doctor.facts import Disk, Download, Held, Leftover, Runtime, Socket
from orchestrator.core.doctor.need import Port
from orchestrator.edge import stacks
from orchestrator.edge.control import client as control
from orchestrator.edge.doctor.later import ask
from orchestrator.edge.hub.pull import Wanted, absent, parts
from orchestrator.edge.hub.remote import listing
from orchestrator.edge.paths import StackPaths
from orchestrator.edge.run import identity, ports
from orchestrator.errors import PlanError

DOWN = ("stopped", "failed", "external")


def disk(path: Path) -> Disk:
    """Of the folder, or of the nearest one above it where it does not exist yet."""
    place = next(folder for folder in (path, *path.parents) if folder.exists())
    return Disk(str(path), shutil.disk_usage(place).free, os.access(place, os.W_OK | os.X_OK))


def downloads(wanted: Iterable[Wanted]) -> tuple[Download, ...]:
    """Asks the hub what has to come yet for sources that are not here."""
    found = []
    for item in (part for one in wanted for part in parts(one)):
        repo = item.source.repo
        if repo is None:
            continue
        try:
            found.append(Download(item.model, repo, absent(listing(item.source))))
        except PlanError as error:
            found.append(Download(item.model, repo, None, error.text))
    return tuple(found)


def held(wanted: Sequence[Port], paths: StackPaths | None) -> tuple[Held, ...]:
    """Those ports that somebody listens on."""
    taken = [one for one in wanted if not ports.free(one.port, one.host)]
    status = control.status(paths) if taken and paths is not None else None
    own = {row["port"] for row in status["models"] if row["state"] not in DOWN} if status else set()
    pids = {process.pid for process in identity.find(paths.name)} if taken and paths is not None else set()
    if status:
        pids.add(int(status["pid"]))
    found = []
    for one in taken:
        who = ports.holder(one.port)
        found.append(Held(one.port, one.what, who.words, one.port in own or who.pid in pids))
    return tuple(found)


def runtime() -> Runtime | None:
    """The folder of the control sockets of this user, None where there is none yet."""
    folder = StackPaths("any").socket.parent
    if not folder.is_dir():
        return None
    facts = folder.stat()
    names = {one.paths.socket: one.name for one in stacks.known()}
    sockets = [Socket(str(file), names.get(file, ""), _answers(file)) for file in sorted(folder.glob("*.sock"))]
    return Runtime(str(folder), facts.st_uid == os.getuid(), facts.st_mode & 0o777, tuple(sockets))


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def leftovers() -> tuple[Leftover, ...]:
    """Engines of this home that nobody watches: their daemon is gone, or the `stack try` that started them."""
    known = {one.name: one for one in stacks.known()}
    found = []
    for stack, model, what in [*_processes(known), *_containers(known)]:
        one = known.get(stack)
        watched = one is not None and (stacks.locked(one.paths.lock) or (one.runs and not _tried(model)))
        if not watched:
            found.append(Leftover(stack, model, what, str(one.file) if one is not None and one.file else ""))
    return tuple(found)


def _tried(model: str) -> bool:
    return model.startswith(identity.TRY)


def _processes(known: Collection[str]) -> list[tuple[str, str, str]]:
    """(stack, model, what) of processes that carry our marker."""
    found: list[tuple[str, str, str]] = []
    for stack in _stacks(known):
        ours = [one for one in identity.find(stack) if _of_this_home(one.pid, stack, known)]
        leaders = [one for one in ours if one.leader] or ours
        found += [(stack, one.model, f"pid {one.pid}") for one in leaders]
    return found


def _stacks(known: Collection[str]) -> list[str]:
    """Of which stacks processes run, whether this home still knows them or not."""
    names = set(known)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            names.add(process.environ().get(identity.VARIABLE, "").partition("/")[0])
    return sorted(names - {""})


def _of_this_home(pid: int, stack: str, known: Collection[str]) -> bool:
    """An engine stands in its stack's state folder, unless it was given another."""
    try:
        folder = Path(psutil.Process(pid).cwd().removesuffix(" (deleted)"))
    except (psutil.Error, OSError):
        return stack in known
    if folder.parts[-2:] == ("stack", stack):
        return folder == StackPaths(stack).state.resolve()
    return stack in known


def _containers(known: Collection[str]) -> list[tuple[str, str, str]]:
    """The same of containers, of stacks that this home knows: a label does not say which home it is of."""
    form = f'{{{{.Label "{STACK}"}}}}\t{{{{.Label "{MODEL}"}}}}\t{{{{.Names}}}}'
    answer = ask("docker", "ps", "--filter", f"label={STACK}", "--format", form) if known else None
    if answer is None or answer.status != 0:
        return []
    rows = [line.split("\t") for line in answer.text.splitlines()]
    return [(row[0], row[1], f"container {row[2]}") for row in rows if len(row) == 3 and row[0] in known]
