"""What our containers are called, how they are known again, and the `docker run` that starts one in the foreground."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Literal

from orchestrator.core.launch import Container, Launch, marker
from orchestrator.core.plan import slug

STACK, MODEL, HASH = "stack.name", "stack.model", "stack.hash"
USER, BOOT = "stack.uid", "stack.boot"
"""Labels. The last two are of containers that the daemon starts itself: a rendered file knows neither."""
STATE = "STACK_STATE"
"""Variable of each engine: the folder that holds the states of its user's stacks. Two homes may have stacks of one
name."""
LOG_DRIVER = "json-file"
LOG_OPTIONS: Mapping[str, str] = {"max-size": "16m", "max-file": "2"}
"""docker's own copy of the log is bounded too; ours is written by whoever follows it."""
STOP = 15
OLD_STOP = 8
"""Seconds of `docker stop -t`, below the time after which llama-swap itself would kill: 20 s where its version knows
`unloadTimeout`, else 10 s."""


def name(stack: str, model: str) -> str:
    """`stack-<name>-<slug>` (DESIGN.md, decision 9)."""
    return f"stack-{stack}-{slug(model)}"


def labels(stack: str, launch: Launch) -> dict[str, str]:
    return {STACK: stack, MODEL: launch.model, HASH: launch.hash}


def environment(stack: str, launch: Launch) -> dict[str, str]:
    """What the engine is told beside its secrets."""
    return {**dict(launch.env), "STACK_RUN": marker(stack, launch)}


def command(how: Container) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(entry point, what follows the image); docker's command line takes one word as entry point."""
    return how.entrypoint[:1], (*how.entrypoint[1:], *how.argv)


def run_argv(stack: str, launch: Launch) -> tuple[str, ...]:
    """`docker run` in the foreground. Secrets and STATE are named and come from docker's own environment.

    Never pulls: a pull takes minutes in which nothing would be said, and its size is not known before.
    """
    how = launch.how
    assert isinstance(how, Container)
    entry, words = command(how)
    return (
        *("docker", "run", "--rm", "--init", "--pull", "never", "--name", name(stack, launch.model)),
        *(word for key, value in labels(stack, launch).items() for word in ("--label", f"{key}={value}")),
        *("--publish", f"127.0.0.1:{launch.port}:{how.port}"),
        *("--log-driver", LOG_DRIVER),
        *(word for key, value in LOG_OPTIONS.items() for word in ("--log-opt", f"{key}={value}")),
        *(("--gpus", _field(f"device={','.join(how.gpus)}")) if how.gpus else ()),
        *(("--ipc", how.ipc) if how.ipc else ()),
        *(("--shm-size", str(how.shm_size)) if how.shm_size else ()),
        *(word for mount in how.mounts for word in ("--mount", _mount(stack, *mount))),
        *(word for key, value in environment(stack, launch).items() for word in ("--env", f"{key}={value}")),
        *(word for named in (STATE, *launch.secret_names) for word in ("--env", named)),
        *(("--entrypoint", *entry) if entry else ()),
        *(how.image, *words),
    )


def stop_argv(stack: str, launch: Launch, seconds: int) -> tuple[str, ...]:
    """`docker stop`: SIGTERM, and SIGKILL after so many seconds."""
    return ("docker", "stop", "-t", str(seconds), name(stack, launch.model))


def address(host: str) -> str:
    """Where a port can be published: an address; "" for any other name than localhost."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


def mount_type(source: str) -> Literal["bind", "volume"]:
    """A folder or a file of the host by its path, a volume of docker's by its name."""
    return "bind" if source.startswith("/") else "volume"


def _mount(stack: str, source: str, target: str, mode: str) -> str:
    kind = mount_type(source)
    fields = [f"type={kind}", f"source={source}", f"target={target}"]
    fields += ["readonly"] if mode == "ro" else []
    fields += [f"volume-label={STACK}={stack}"] if kind == "volume" else []  # `down --uninstall` knows its own by it
    return ",".join(_field(field) for field in fields)


def _field(text: str) -> str:
    """docker reads the value of --mount and --gpus as a line of CSV."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\r\n') else text
