"""Engines as containers of the local docker: made, known again by their labels, ended.

They are ours by label, user and boot (DESIGN.md, decision 5), and outlive a crash of the daemon.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.core import containers
from orchestrator.core.launch import Container, Launch
from orchestrator.core.plan import Plan
from orchestrator.edge.run import container_settings, docker_api, identity, logs, ports
from orchestrator.edge.run.engines import Unavailable
from orchestrator.edge.run.followed import Followed
from orchestrator.errors import EngineError

T = TypeVar("T")
GRACE = 10
"""Seconds between SIGTERM and SIGKILL."""


class Containers:
    """Each method of docker runs in a thread, one at a time for each model, and ends though its caller went away."""

    def __init__(self, plan: Plan, log_folder: Path) -> None:
        self._plan = plan
        self._logs = log_folder
        own = [launch for launch in plan.launches if launch.ours]
        self._launches = {launch.model: launch for launch in own if isinstance(launch.how, Container)}
        self._running: dict[str, Followed] = {}
        self._gone: dict[str, Followed] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._pool = ThreadPoolExecutor(max(4, 2 * len(self._launches)), thread_name_prefix="docker")
        self._pending: set[asyncio.Future[Any]] = set()

    async def adopt(self) -> Collection[str]:
        """Models whose container runs and matches the plan; all other containers of this stack's are removed."""
        try:
            await self._do(self._adopt)
        except Unavailable:
            if self._launches:
                return ()  # each start will say so
        return tuple(self._running)

    async def check(self, launch: Launch) -> None:
        """Makes way for `launch`: stale containers of its name are removed, folders that it writes to are made.

        Raises EngineError (a name of somebody else's, an image or a folder that is not there), PortTaken, Unavailable.
        """
        await self._do(self._check, launch)

    async def start(self, launch: Launch) -> None:
        """Raises as `check`, and for all that docker refuses."""
        self._gone.pop(launch.model, None)
        await self._do(self._start, launch)

    async def stop(self, launch: Launch) -> None:
        """Raises Unavailable, and EngineError for a container that cannot be removed."""
        await self._do(self._stop, launch.model)

    async def clear(self, keep: Collection[str] = ()) -> None:
        """Removes this stack's containers but those of the models in `keep`. Raises Unavailable if there must be any
        to remove and docker does not answer."""
        await self._do(self._clear, keep)

    async def find_pid(self, model: str) -> int | None:
        """Of a container that somebody else started (llama-swap)."""
        return await self._do(self._find_pid, model)

    def alive(self) -> list[str]:
        return [model for model, followed in list(self._running.items()) if followed.alive]

    def pid(self, model: str) -> int | None:
        followed = self._running.get(model)
        return followed.pid if followed is not None and followed.alive else None

    def why(self, model: str) -> str:
        followed = self._running.get(model) or self._gone.get(model)
        return followed.why if followed is not None and not followed.alive else ""

    async def close(self, *, keep_engines: bool) -> None:
        """keep_engines: for the next daemon to adopt."""
        if self._pending:  # a start that nobody waits for any more
            await asyncio.gather(*self._pending, return_exceptions=True)
        try:
            if not keep_engines:
                await asyncio.gather(*(self._do(self._stop, model) for model in list(self._running)))
                await self.clear()
        except Unavailable:
            pass  # `stack down` says what may be left (container_sweep.sweep)
        finally:
            for followed in self._running.values():
                await asyncio.to_thread(followed.leave)
            self._pool.shutdown(wait=False)

    async def _do(self, work: Callable[..., T], *arguments: object) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        self._pending.add(future)
        future.add_done_callback(self._ended)
        return await asyncio.shield(future)

    def _ended(self, future: asyncio.Future[Any]) -> None:
        self._pending.discard(future)
        if not future.cancelled():
            future.exception()  # its caller may have gone away

    # --- in threads

    def _adopt(self) -> None:
        if not self._launches and not docker_api.any_left(self._plan.name):
            return
        with docker_api.daemon() as client:
            for container in docker_api.ours(client, self._plan.name):
                launch = self._launches.get(container.labels.get(containers.MODEL, ""))
                if launch is not None and _matches(container, launch) and launch.model not in self._running:
                    log = logs.path_of(self._logs, launch.model)
                    since = log.stat().st_mtime if log.exists() else None
                    self._running[launch.model] = Followed(container.id, _pid(container), log, since)
                elif not self._others(container.labels.get(containers.MODEL, "")):
                    docker_api.remove(container)

    def _check(self, launch: Launch) -> None:
        with self._locks[launch.model], docker_api.daemon() as client:
            self._make_way(client, launch)

    def _make_way(self, client: Any, launch: Launch) -> None:
        from docker.errors import ImageNotFound, NotFound

        how = launch.how
        assert isinstance(how, Container)
        assert launch.port is not None
        for container in docker_api.ours(client, self._plan.name):
            if docker_api.is_ours(container, self._plan.name, launch.model):
                docker_api.remove(container)
        try:
            raise docker_api.name_taken(client.containers.get(containers.name(self._plan.name, launch.model)))
        except NotFound:
            pass
        if not ports.free(launch.port):
            raise docker_api.port_taken(client, launch) or ports.taken(launch.port, f"model {launch.model}")
        try:
            client.images.get(how.image)
        except ImageNotFound:
            raise docker_api.missing_image(how.image) from None
        for source, _, mode in how.mounts:
            container_settings.mountable(source, mode, launch.model)

    def _start(self, launch: Launch) -> None:
        from docker.errors import APIError

        log = logs.path_of(self._logs, launch.model)
        with self._locks[launch.model], docker_api.daemon() as client:
            self._make_way(client, launch)
            settings = container_settings.of(self._plan.name, launch)
            logs.opened(log).close()
            try:
                container = client.containers.create(**settings)
            except APIError as error:
                raise docker_api.explain(error, client, launch) from error
            try:
                container.start()
                container.reload()
            except APIError as error:
                docker_api.remove(container)
                raise docker_api.explain(error, client, launch) from error
            self._running[launch.model] = Followed(container.id, _pid(container), log)

    def _stop(self, model: str) -> None:
        from docker.errors import APIError, NotFound

        with self._locks[model]:
            followed = self._running.pop(model, None)
            if followed is not None:
                self._gone[model] = followed
            with docker_api.daemon() as client:
                for container in docker_api.ours(client, self._plan.name):
                    if not docker_api.is_ours(container, self._plan.name, model):
                        continue
                    try:
                        container.stop(timeout=GRACE)
                    except NotFound:
                        continue
                    except APIError as error:
                        raise EngineError(f"docker cannot stop {container.name}: {error.explanation}") from error
                    if followed is not None and followed.id == container.id:
                        followed.join()
                    docker_api.remove(container)

    def _clear(self, keep: Collection[str]) -> None:
        if self._launches or docker_api.any_left(self._plan.name):
            docker_api.sweep(self._plan.name, {*keep, *self._plan.managed})

    def _others(self, model: str) -> bool:
        """Of `stack try`, or a service manager's."""
        return model.startswith(identity.TRY) or model in self._plan.managed

    def _find_pid(self, model: str) -> int | None:
        with docker_api.daemon() as client:
            found = [c for c in docker_api.ours(client, self._plan.name) if c.labels.get(containers.MODEL) == model]
            return _pid(found[0]) if found else None


def _matches(container: Any, launch: Launch) -> bool:
    labels = container.labels
    same = labels.get(containers.HASH) == launch.hash and labels.get(containers.BOOT) == identity.boot()
    return bool(same and container.attrs["State"]["Running"])


def _pid(container: Any) -> int | None:
    return (int(container.attrs["State"]["Pid"]) or None) if sys.platform == "linux" else None
