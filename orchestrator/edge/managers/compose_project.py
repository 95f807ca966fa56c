"""What docker has of a compose project, and what its file asks of this machine before it can run."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.core.units import show_size
from orchestrator.edge.run import container_settings, docker_api, ports
from orchestrator.errors import EngineError, PlanError, PortTaken

PROJECT = "com.docker.compose.project"
"""Compose's own label of whatever it makes."""
ACTIVE = 403
"""docker's answer where a network is still used."""


@dataclass(frozen=True, slots=True)
class Service:
    """Of the file. ports: (address, port) published; binds: (folder of the host, "ro" | "rw")."""

    name: str
    image: str
    ports: tuple[tuple[str, int], ...]
    binds: tuple[tuple[str, str], ...]


def services(text: str) -> dict[str, Service]:
    """Those of a compose.yaml that we rendered, by key: its `$$` is one `$` again."""
    return {key: _service(one) for key, one in yaml.safe_load(text)["services"].items()}


def _service(one: Mapping[str, Any]) -> Service:
    published = tuple((str(port["host_ip"]), int(port["published"])) for port in one["ports"])
    mounts = (mount for mount in one.get("volumes", ()) if mount["type"] == "bind")
    binds = tuple((str(m["source"]).replace("$$", "$"), "ro" if m["read_only"] else "rw") for m in mounts)
    return Service(str(one["container_name"]), str(one["image"]).replace("$$", "$"), published, binds)


def running(client: Any, project: str) -> dict[str, Any]:
    """Its containers by name, running or not."""
    found = client.containers.list(all=True, filters={"label": f"{PROJECT}={project}"}, ignore_removed=True)
    return {container.name: container for container in found}


def refuse(client: Any, project: str, stack: str, wanted: Mapping[str, Service]) -> None:
    """What is in the way. Raises EngineError (a container, a folder that is missing), PortTaken."""
    from docker.errors import NotFound

    own = running(client, project)
    for container in own.values():
        if not docker_api.is_ours(container, stack):
            raise docker_api.name_taken(container)
    held = {port for container in own.values() for port in _published(container)}
    for key, service in wanted.items():
        with contextlib.suppress(NotFound):
            if service.name not in own:
                raise docker_api.name_taken(client.containers.get(service.name))
        for host, port in service.ports:
            if port not in held and not ports.free(port, host):
                raise _taken(client, port, key)
        for source, mode in service.binds:
            container_settings.mountable(source, mode, key)


def _published(container: Any) -> set[int]:
    rows = (container.attrs.get("NetworkSettings") or {}).get("Ports") or {}
    return {int(row["HostPort"]) for hosts in rows.values() for row in hosts or () if row.get("HostPort")}


def _taken(client: Any, port: int, key: str) -> PortTaken:
    for container in client.containers.list(ignore_removed=True):
        if port in _published(container):
            text = f"port {port} for {key} is taken by the container {container.name}"
            return PortTaken(text, mend=f"`docker stop {container.name}`, or choose another port in stack.yaml")
    return ports.taken(port, key)


def pull(client: Any, image: str, say: Callable[[str], None]) -> None:
    """Unless docker has it, with a line each tenth. Raises PlanError."""
    from docker.errors import APIError, ImageNotFound

    try:
        client.images.get(image)
        return
    except ImageNotFound:
        say(f"pulling {image}")
    try:
        for line in told(client.api.pull(image, stream=True, decode=True)):
            say(f"  {line}")
    except APIError as error:
        words = f"docker has no image {image}, and cannot pull it: {str(error.explanation).strip()}"
        raise PlanError(words, mend=f"docker pull {image} (or `docker load` where there is no network)") from error


def told(events: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    """`1.2 GiB of 6.0 GiB`: layers become known as they come, so the whole grows. Raises APIError."""
    from docker.errors import APIError

    layers: dict[str, tuple[int, int]] = {}
    said = -1
    for event in events:
        if "error" in event:
            raise APIError(str(event["error"]), explanation=str(event["error"]))
        detail = event.get("progressDetail") or {}
        if event.get("status") == "Downloading" and detail.get("total"):
            layers[str(event["id"])] = (int(detail["current"]), int(detail["total"]))
        elif event.get("status") == "Download complete" and event["id"] in layers:
            layers[event["id"]] = (layers[event["id"]][1],) * 2
        done, whole = (sum(layer[i] for layer in layers.values()) for i in (0, 1))
        if whole and done * 10 // whole > said:
            said = done * 10 // whole
            yield f"{show_size(done)} of {show_size(whole)}"


def stop(client: Any, project: str, seconds: int) -> bool:
    """Ends and removes its containers, all at once, then its network; whether one ran. Raises EngineError."""
    found = list(running(client, project).values())
    with ThreadPoolExecutor(max_workers=max(1, len(found))) as pool:
        list(pool.map(lambda container: _end(container, seconds), found))
    for network in client.networks.list(filters={"label": f"{PROJECT}={project}"}):
        _remove_network(network)
    return any(container.status in ("running", "restarting") for container in found)


def _end(container: Any, seconds: int) -> None:
    from docker.errors import APIError, NotFound

    try:
        container.stop(timeout=seconds)
    except NotFound:
        return
    except APIError as error:
        raise EngineError(f"docker cannot stop {container.name}: {error.explanation}") from error
    docker_api.remove(container)


def _remove_network(network: Any) -> None:
    from docker.errors import APIError, NotFound

    try:
        network.remove()
    except NotFound:
        return
    except APIError as error:
        network.reload()
        others = ", ".join(sorted(one["Name"] for one in (network.attrs.get("Containers") or {}).values()))
        if error.status_code == ACTIVE and others:
            text = f"the network {network.name} is still used by {others}"
            raise EngineError(text, mend="stop those first (the companions: compose/README.md)") from error
        raise EngineError(f"the network {network.name} cannot be removed: {error.explanation}") from error


def make_folder(path: Path) -> None:
    """Of control sockets: for its user alone."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
