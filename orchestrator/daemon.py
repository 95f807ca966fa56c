"""`stack serve`: gateway, supervisor, probes and the control socket in one process, wired together here."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.core.backend import Can
from orchestrator.core.dialogue.setup import Size
from orchestrator.core.launch import Launch
from orchestrator.core.plan import CONTAINED, Plan
from orchestrator.edge import discover, managers, secrets
from orchestrator.edge.attached.keeper import Keeper
from orchestrator.edge.control import app as control_app
from orchestrator.edge.control.bus import Bus
from orchestrator.edge.control.server import ControlServer
from orchestrator.edge.gateway.gateway import Gateway
from orchestrator.edge.gateway.listener import serve as serve_gateway
from orchestrator.edge.lock import held
from orchestrator.edge.paths import StackPaths
from orchestrator.edge.probe.metrics import ProbeMetrics
from orchestrator.edge.probe.prover import Prover
from orchestrator.edge.probe.verdicts import Verdicts
from orchestrator.edge.probe.watcher import Watcher
from orchestrator.edge.run import ports, ready, rotation
from orchestrator.edge.run.api import Event
from orchestrator.edge.run.embedded import Embedded
from orchestrator.edge.run.engines import Engines
from orchestrator.edge.run.llama_swap import LlamaSwap
from orchestrator.edge.run.managed import Managed
from orchestrator.edge.run.scheduler import Scheduler
from orchestrator.edge.run.sleeping import Sleeping
from orchestrator.errors import EngineError, PlanError, UsageError


class Daemon:
    """Serves one plan until it is told to leave."""

    def __init__(self, plan: Plan, digest: str, paths: StackPaths, answers: Callable[[], None] = lambda: None) -> None:
        """answers: called once the control socket does."""
        self._answers = answers
        self._plan = plan
        self._digest = digest
        self._paths = paths
        self._started = time.time()
        self._bus = Bus()
        self._verdicts = Verdicts(paths.verdicts)
        self._supervisor = Scheduler(plan, self._engines(), ready.prove, self._bus.emit, secrets.upstream_key)
        self._backends = discover.backends()
        self._keys = secrets.client_keys(plan.stack.endpoint)
        self._secrets = secrets.of(plan)
        key = next(iter(self._keys.values()), None)
        self._prover = Prover(plan, self._supervisor, self._verdicts, self._bus.emit, self._can, key)
        self._gateway = Gateway(
            plan,
            self._supervisor,
            verdicts=lambda model: self._verdicts.mark(plan.launch(model)),
            findings=lambda model: self._verdicts.finding(plan.launch(model)),
            keys=self._keys,
            ready=self.ready,
        )
        self._watcher = Watcher(plan, self._supervisor, self._prover, self._verdicts, self._gateway)
        self._gateway.metrics.add(ProbeMetrics(plan.launches, self._verdicts, self._watcher))
        self._keeper = Keeper(plan.launches, secrets.upstream_key, self._bus.emit)
        self._left = asyncio.Event()
        self._keep = False
        self._settling: asyncio.Task[None] | None = None

    def _engines(self) -> Engines:
        plan, paths = self._plan, self._paths
        engines: Engines
        if plan.supervisor == "llama-swap":
            engines = LlamaSwap(plan, paths.artifacts / "llama-swap" / "config.yaml", paths.state, paths.logs)
        else:
            engines = Embedded(plan, paths.state, paths.logs)
            if sleepers := [launch for launch in plan.launches if launch.serving.residency == "sleep"]:
                engines = Sleeping(engines, sleepers)
        return Managed(plan, engines, self._given_up) if plan.managed else engines

    def _given_up(self, model: str) -> str:
        """Why the service manager has; from inside a container nobody can ask it."""
        if self._plan.manager in CONTAINED:
            return ""
        manager = managers.remembered(self._paths) or managers.of(self._plan.manager, self._paths)
        return manager.why(model)

    def _can(self, launch: Launch) -> Can | None:
        backend = self._backends.get(launch.backend)
        return backend.can(launch.engine_version, launch.tools.tool_parser) if backend is not None else None

    async def run(self) -> None:
        """Returns after `leave` or a signal, with everything stopped (or handed over)."""
        control = ControlServer(control_app.app(self), self._control_socket())
        endpoint = await serve_gateway(self._gateway, self._listen())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: self.leave(keep_engines=False))
        watching = asyncio.create_task(self._watcher.run())
        keeping = asyncio.create_task(self._keeper.run())
        rotating = asyncio.create_task(rotation.keep_small(rotation.files(self._plan, self._paths.logs)))
        try:
            self.retry()
            await self._supervisor.open()
            await control.start()
            self._answers()
            await self._left.wait()
        finally:
            watching.cancel()
            keeping.cancel()
            rotating.cancel()
            if self._settling is not None:
                self._settling.cancel()
            await asyncio.gather(
                endpoint.close(),
                self._supervisor.close(keep_engines=self._keep),
                self._keeper.close(keep=self._keep),
            )
            self._paths.socket.unlink(missing_ok=True)
            await control.stop()

    def _listen(self) -> list[socket.socket]:
        found = []
        listen = self._plan.listen
        if self._plan.manager in CONTAINED:  # the container's own addresses; what is published is what the file says
            listen = tuple(dict.fromkeys(("0.0.0.0", port) for _, port in listen))
        for host, port in listen:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((host, port))
            except OSError:
                raise ports.taken(port, "the gateway") from None
            listener.listen(2048)
            listener.setblocking(False)
            found.append(listener)
        return found

    def _control_socket(self) -> socket.socket:
        path = self._paths.socket
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = path.parent.stat()
        if facts.st_uid != os.getuid() or facts.st_mode & 0o077:
            raise EngineError(f"{path.parent} must belong to you alone", mend=f"chmod 700 {path.parent}")
        path.unlink(missing_ok=True)  # the lock says that no other daemon of this stack lives
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(path))
        listener.listen(64)
        listener.setblocking(False)
        return listener

    # --- what the control socket offers

    def ready(self) -> bool:
        """Every model in scope is proven as far as it was asked for, and not failed; residents are up (decision 7).

        One that is loaded on demand may be evicted again: the next request loads it."""
        states = {state.model: state.state for state in self._supervisor.states()}
        up = all(
            states[launch.model] == "ready"
            if launch.serving.residency == "resident"
            else states[launch.model] != "failed"
            for launch in self._prover.scope
        )
        return up and self._prover.settled.is_set() and self._prover.exit_code == 0

    def status(self) -> dict[str, Any]:
        models = []
        for state in self._supervisor.states():
            launch = self._plan.launch(state.model)
            row = {"id": state.model, "backend": launch.backend, "owner": launch.owner}
            row |= {k: v for k, v in asdict(state).items() if k != "model"}
            models.append(row | self._keeper.row(state.model) | self._tools(launch) | {"hash": launch.hash})
        return {
            "endpoint": self._plan.endpoint,
            "ready": self.ready(),
            "supervisor": self._plan.supervisor,
            "manager": self._plan.manager,
            "models": models,
            "name": self._plan.name,
            "pid": os.getpid(),
            "plan": self._digest,
            "started": self._started,
            "settled": self._prover.settled.is_set(),
            "exit": self._prover.exit_code,
            "warnings": self._prover.warnings,
            "stale": self._stale(),
        }

    def _tools(self, launch: Launch) -> dict[str, Any]:
        """probed: seconds since its last verdict; calls: in answers to clients; changed: how its mark changed last."""
        now, probed = time.time(), self._verdicts.probed(launch)
        row: dict[str, Any] = {"tools": self._verdicts.mark(launch), "changed": None}
        row["probed"] = None if probed is None else max(0, round(now - probed))
        row["calls"] = self._gateway.metrics.calls_of(launch.model)
        if (change := self._prover.changes.get(launch.model)) is not None:
            ago = max(0, round(now - change.at))
            row["changed"] = {"from": change.before, "to": change.after, "ago": ago, "why": change.why}
        return row

    def _stale(self) -> bool:
        """Whether a key file says something else than when it was read: `up` then starts a daemon that knows."""
        try:
            return secrets.of(self._plan) != self._secrets
        except PlanError:
            return True

    async def watch(self) -> AsyncIterator[Event]:
        async for event in self._bus.watch(past=True):
            yield event

    async def probe(self, model: str, size: Size) -> AsyncIterator[Event]:
        model = self._known(model)
        if "tools" not in self._plan.launch(model).capabilities:
            raise UsageError(f"{model} has no tools to probe", mend=f"declare it in models.{model}.capabilities")
        work = asyncio.create_task(self._prover.probe(model, size))
        events = self._bus.watch(past=False)
        work.add_done_callback(lambda _: self._bus.emit(Event("probe-end", model)))
        try:
            async for event in events:
                if event.kind == "probe-end" and work.done():
                    break
                if event.model == model and event.kind in ("turn", "engine"):
                    yield event
            verdict = await work
            yield Event("done", model, data={"exit": 6 if verdict.verdict == "fail" else 0, "verdict": asdict(verdict)})
        finally:
            work.cancel()

    async def verb(self, verb: str, model: str) -> None:
        if verb not in ("load", "unload", "restart"):
            raise EngineError(f"there is no verb {verb}")
        model = self._known(model)
        if not await self._keeper.verb(verb, model):
            await getattr(self._supervisor, verb)(model)

    def _known(self, name: str) -> str:
        if name not in self._plan.names:
            known = ", ".join(launch.model for launch in self._plan.launches)
            raise EngineError(f"there is no model {name}", mend=f"models: {known}")
        return self._plan.names[name]

    def retry(self) -> None:
        """Loads and proves again what is not; a settled stack is left alone."""
        if self._settling is None or self._settling.done():
            self._prover.settled.clear()
            self._bus.forget()
            self._settling = asyncio.create_task(self._prover.settle())

    def leave(self, *, keep_engines: bool) -> None:
        self._keep = keep_engines
        self._left.set()


def serve(
    plan_file: Path, name: str, first: Callable[[], None] = lambda: None, answers: Callable[[], None] = lambda: None
) -> None:
    """Runs the daemon for a plan. first: writes it, once no other daemon of that name can be running; answers: called
    once it can be asked and told to leave. Raises StackError (a port taken, a second daemon)."""
    import uvloop

    from orchestrator.core.planner.plan_json import plan_from_json

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    paths = StackPaths(name)
    paths.logs.mkdir(parents=True, exist_ok=True)
    _room_for_connections()
    with held(paths.state / "daemon.lock", f"the daemon of {name}"):
        first()
        text = plan_file.read_bytes()
        plan = plan_from_json(text.decode())
        digest = hashlib.sha256(text).hexdigest()[:16]
        paths.daemon.write_text(json.dumps({"pid": os.getpid(), "plan": digest, "socket": str(paths.socket)}))

        async def main() -> None:
            await Daemon(plan, digest, paths, answers).run()

        uvloop.run(main())


def _room_for_connections() -> None:
    """Each client of the gateway costs two descriptors; the usual soft limit of 1024 is one of old programs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
