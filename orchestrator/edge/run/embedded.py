"""Engines as our own processes and containers. They outlive a crash of the daemon, and the next one adopts them
(decision 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

import psutil

from orchestrator.core.launch import Container, Launch, Process, marker
from orchestrator.core.plan import Plan
from orchestrator.edge.run import foreground, identity, logs, ports, room
from orchestrator.edge.run.api import Upstream
from orchestrator.edge.run.containers import Containers
from orchestrator.edge.run.process import Child, end, environment, spawn
from orchestrator.errors import EngineError

GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""


class Embedded:
    kind = "embedded"

    def __init__(self, plan: Plan, state: Path, log_folder: Path) -> None:
        self._plan = plan
        self._state = state
        self._logs = log_folder
        self._children: dict[str, Child] = {}
        self._gone: dict[str, Child] = {}
        self._containers = Containers(plan, log_folder)

    async def open(self) -> Collection[str]:
        own = [launch for launch in self._plan.launches if launch.ours]
        wanted = {launch.model: launch.hash for launch in own if isinstance(launch.how, Process)}
        ours = identity.find(self._plan.name)
        for process in ours:
            if process.leader and wanted.get(process.model) == process.hash and process.model not in self._children:
                self._children[process.model] = Child(process.pid, process.created)
        kept = {child.pid for child in self._children.values()}
        await end_strangers(self._plan.name, kept, self._plan.managed)
        return (*self._children, *await self._containers.adopt())

    async def start(self, launch: Launch) -> None:
        assert launch.port is not None
        if isinstance(launch.how, Container):
            await self._containers.check(launch)
            await room.wait(self._plan, launch)
            await self._containers.start(launch)
            return
        assert isinstance(launch.how, Process)
        if not ports.free(launch.port):
            raise ports.taken(launch.port, f"model {launch.model}")
        await room.wait(self._plan, launch)
        self._gone.pop(launch.model, None)
        env, log, cwd = self._place(launch)
        self._children[launch.model] = spawn(launch.how.argv, env, log, cwd)

    def _place(self, launch: Launch) -> tuple[dict[str, str], Path, Path]:
        """(environment, log, folder) of its process."""
        env = environment(marker(self._plan.name, launch), launch.env, launch.secret_names)
        cwd = launch.how.cwd if isinstance(launch.how, Process) else None
        return env, Path(self.log(launch.model)), Path(cwd) if cwd else self._state

    async def rest(self, launch: Launch) -> bool:
        return False

    async def stop(self, launch: Launch) -> None:
        if isinstance(launch.how, Container):
            await self._containers.stop(launch)
        child = self._children.pop(launch.model, None)
        if child is not None:
            self._gone[launch.model] = child
            if isinstance(launch.how, Process) and launch.how.stop:
                await foreground.ask_to_end(launch, child, *self._place(launch), GRACE)
            await end(child, GRACE)
        for process in identity.find(self._plan.name):
            if process.model == launch.model:
                await end(Child(process.pid, process.created), 0)
        await port_freed(launch)

    async def alive(self) -> Collection[str]:
        processes = [model for model, child in self._children.items() if child.alive()]
        return processes + self._containers.alive()

    def upstream(self, launch: Launch) -> Upstream:
        return Upstream(launch.url, launch.served_name)

    def pid(self, model: str) -> int | None:
        child = self._children.get(model)
        return child.pid if child is not None and child.alive() else self._containers.pid(model)

    def log(self, model: str) -> str:
        return str(logs.path_of(self._logs, model))

    def why(self, model: str) -> str:
        child = self._children.get(model) or self._gone.get(model)
        if child is None or child.alive():
            return self._containers.why(model)
        left = foreground.left_behind(self._plan.name, self._plan.launch(model), child.exit_code)
        return exit_words(child.exit_code) + left

    async def close(self, *, keep_engines: bool) -> None:
        if keep_engines:
            for child in self._children.values():
                child.disown()
        else:
            launches = [self._plan.launch(model) for model in self._children]
            await asyncio.gather(*(self.stop(launch) for launch in launches))
        await self._containers.close(keep_engines=keep_engines)


async def end_strangers(stack: str, keep: Collection[int], managed: Collection[str] = ()) -> None:
    """Ends every process with this stack's marker but those in `keep` and their children; llama-swap first.

    managed: models (or identity.SWAP) that belong to a service manager."""
    family = set(keep)
    for pid in keep:
        try:
            family |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
        except psutil.Error:
            continue
    found = identity.find(stack)
    ours = [process for process in found if process.pid not in family and process.model not in managed]
    for process in sorted(ours, key=lambda p: (p.model != identity.SWAP, not p.leader, p.pid)):
        if identity.alive(process.pid, process.created):
            # llama-swap gives its own engines up to 35 s (reference: its shutdown budget)
            await end(Child(process.pid, process.created), 40 if process.model == identity.SWAP else GRACE)


async def port_freed(launch: Launch) -> None:
    """Raises EngineError if the port is still held 10 s after its engine ended."""
    assert launch.port is not None
    for _ in range(200):
        if ports.free(launch.port):
            return
        await asyncio.sleep(0.05)
    who = ports.holder(launch.port)
    raise EngineError(f"port {launch.port} of {launch.model} is still held by {who.words} after its engine ended")


def exit_words(code: int | None) -> str:
    if code is None:
        return "ended"
    return f"was killed by signal {-code}" if code < 0 else f"exited with {code}"
