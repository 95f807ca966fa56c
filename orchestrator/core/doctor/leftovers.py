"""Checks of what earlier runs of `stack` left: control sockets, engines without a daemon."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.doctor.facts import Facts
from orchestrator.core.doctor.need import Need
from orchestrator.core.doctor.result import Said, grave, known, ok, warning


def runtime_folder(facts: Facts, need: Need) -> Iterator[Said]:
    """The folder of the control sockets belongs to this user alone: a daemon refuses another."""
    runtime = known(facts.runtime)
    if runtime is None:
        return
    if not runtime.mine:
        yield grave(f"{runtime.path} belongs to somebody else", f"sudo rm -r {runtime.path}, or set XDG_RUNTIME_DIR")
    elif runtime.mode & 0o077:
        yield grave(f"{runtime.path} is open to others (mode {runtime.mode:o})", f"chmod 700 {runtime.path}")
    else:
        yield ok(runtime.path)


def stale_sockets(facts: Facts, need: Need) -> Iterator[Said]:
    """Sockets that nobody answers at. The next `up` of that stack replaces its own."""
    runtime = known(facts.runtime)
    stale = [one for one in (runtime.sockets if runtime is not None else ()) if not one.answers]
    for one in stale:
        whose = f"of {one.stack}" if one.stack else "of a stack that is not known here"
        yield warning(f"{one.path}: a control socket {whose} at which nobody answers", "stack prune")
    if not stale:
        yield ok("no stale control socket")


def leftover_engines(facts: Facts, need: Need) -> Iterator[Said]:
    """Engines outlive a crash of their daemon on purpose; without another `up` they only take memory."""
    found = known(facts.leftovers)
    for stack in dict.fromkeys(one.stack for one in found):
        own = [one for one in found if one.stack == stack]
        models = ", ".join(dict.fromkeys(one.model for one in own))
        what = ", ".join(one.what for one in own)
        text = f"engines of {stack} ({models}) run, and no daemon watches them: {what}"
        if own[0].file:
            mend = f"stack up --file {own[0].file} takes them over, stack down --file {own[0].file} ends them"
        else:
            mend = "end them (kill PID, docker rm -f NAME): no stack.yaml is known for them"
        yield warning(text, mend)
    if not found:
        yield ok("no engine without its daemon")
