"""`docker run` of vLLM's image as a source of vllm with that image. Other containers stay commands."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from orchestrator.core.imports.draft import Draft

TOOLS = ("docker", "podman")
VALUED = re.compile(
    r"-[evpwuhml]|--(env|volume|publish|workdir|user|hostname|memory|label|name|gpus|shm-size|ipc|network|net|restart|runtime"
    r"|env-file|mount|entrypoint|device|ulimit|cpus|cpuset-cpus|pull|platform|add-host|security-opt|group-add|cap-add"
    r"|cap-drop|pid|log-driver|log-opt|stop-timeout|stop-signal|tmpfs|dns)"
)
"""Options of `docker run` that take a value."""
OURS = ("--name", "-p", "--publish", "--shm-size", "--ipc", "--rm", "--init", "--restart", "--runtime", "--pull")
"""What the plan sets for a container itself."""


@dataclass
class Container:
    image: str
    arguments: list[str]
    options: list[tuple[str, str]] = field(default_factory=list)


def container(argv: list[str]) -> Container | None:
    """None where it is no `docker run IMAGE ...`."""
    if not argv or argv[0].rsplit("/", 1)[-1] not in TOOLS or argv[1:2] != ["run"]:
        return None
    options = []
    rest = argv[2:]
    while rest and rest[0].startswith("-"):
        flag, sign, value = rest.pop(0).partition("=")
        if not sign and VALUED.fullmatch(flag):
            value = rest.pop(0) if rest else ""
        options.append((flag, value))
    return Container(rest[0], rest[1:], options) if rest else None


def is_vllm(found: Container) -> bool:
    return found.image.partition("@")[0].rpartition("/")[2].partition(":")[0] == "vllm-openai"


def apply(draft: Draft, found: Container) -> list[str]:
    """Image, GPUs and environment into the draft; vLLM's own arguments, with the host's paths in them."""
    draft.backend = "vllm"
    draft.source["engine"] = {"image": found.image}
    mounts = {}
    for flag, value in found.options:
        if flag == "--gpus":
            _gpus(draft, value)
        elif flag in ("-e", "--env"):
            draft.env.append(value)
        elif flag in ("-v", "--volume"):
            host, _, inside = value.partition(":")
            mounts[inside.partition(":")[0].rstrip("/")] = host
        elif flag not in OURS:
            shown = flag if not value or "env" in flag else f"{flag} {value}"
            draft.note(f"{shown}: containers of stack have no such option", "cmd")
    return [_outside(word, mounts) for word in found.arguments]


def _gpus(draft: Draft, value: str) -> None:
    named = value.strip("\"'").removeprefix("device=")
    if re.fullmatch(r"(\d+|(GPU|MIG)-[\w/-]+)(,(\d+|(GPU|MIG)-[\w/-]+))*", named) and "device" in value:
        draft.put("gpus", [int(one) if one.isdecimal() else one for one in named.split(",")])
    elif named != "all":
        draft.note(f"--gpus {named}: name the GPUs under `gpus`", "cmd")


def _outside(word: str, mounts: dict[str, str]) -> str:
    """A path in the container as the host has it."""
    for inside, host in mounts.items():
        if inside and (word == inside or word.startswith(f"{inside}/")):
            return host.rstrip("/") + word[len(inside) :]
    return word
