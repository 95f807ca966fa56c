"""What the SDK is told to make a launch's container, and what must be on the disk before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from orchestrator.core import containers
from orchestrator.core.launch import Container, Launch
from orchestrator.edge.run import identity
from orchestrator.edge.run.process import secret_values
from orchestrator.errors import EngineError


def mountable(source: str, mode: str, model: str) -> None:
    """Makes the folder of a "rw" mount: docker itself would make it as root, or refuse. Raises EngineError."""
    if containers.mount_type(source) == "volume":
        return
    if mode == "rw":
        try:
            Path(source).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EngineError(f"{model}: the folder {source} cannot be made: {error.strerror}") from error
    elif not Path(source).exists():
        raise EngineError(f"{model}: {source} is not there, and its container needs it", mend="stack pull")


def of(stack: str, launch: Launch) -> dict[str, Any]:
    """The same as containers.run_argv says on a command line, as the SDK's arguments. Secrets go over the socket."""
    from docker.types import DeviceRequest, LogConfig

    how = launch.how
    assert isinstance(how, Container)
    entry, words = containers.command(how)
    own = {containers.USER: str(os.getuid()), containers.BOOT: identity.boot()}
    home = {containers.STATE: identity.home()}
    settings: dict[str, Any] = {
        "image": how.image,
        "command": list(words),
        "name": containers.name(stack, launch.model),
        "labels": containers.labels(stack, launch) | own,
        "environment": secret_values(launch.secret_names) | containers.environment(stack, launch) | home,
        "init": True,
        "ports": {f"{how.port}/tcp": ("127.0.0.1", launch.port)},
        "mounts": [_mount(stack, *mount) for mount in how.mounts],
        "log_config": LogConfig(type=containers.LOG_DRIVER, config=dict(containers.LOG_OPTIONS)),
    }
    if entry:
        settings["entrypoint"] = list(entry)
    if how.gpus:
        settings["device_requests"] = [DeviceRequest(device_ids=list(how.gpus), capabilities=[["gpu"]])]
    if how.ipc:
        settings["ipc_mode"] = how.ipc
    if how.shm_size:
        settings["shm_size"] = how.shm_size
    return settings


def _mount(stack: str, source: str, target: str, mode: str) -> Any:
    from docker.types import Mount

    kind = containers.mount_type(source)
    labels = {containers.STACK: stack} if kind == "volume" else None
    return Mount(target, source, kind, read_only=mode == "ro", labels=labels)
