"""Facts of NVIDIA GPUs and of docker, by their own commands."""

from __future__ import annotations

import contextlib
import getpass
import grp
import json
import shutil
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from orchestrator.core.doctor.facts import Answer, Disk, Docker, Nvidia
from orchestrator.core.parse_host import GPU_QUERY
from orchestrator.edge.doctor.later import ask
from orchestrator.edge.doctor.places import disk
from orchestrator.edge.host import detect_docker

SMI = 10.0
"""Without its persistence daemon the driver wakes each GPU first."""
TOOLKIT = ("nvidia-container-runtime-hook", "nvidia-ctk", "nvidia-container-cli")
CDI = ("/etc/cdi", "/var/run/cdi")


def nvidia() -> Nvidia:
    smi = ask("nvidia-smi", limit=SMI)
    found = Nvidia(_devices(), smi, toolkit=tuple(_toolkit()))
    if smi is None or smi.status != 0:  # a driver that hangs or fails is not asked again
        return found
    query = ask("nvidia-smi", f"--query-gpu={GPU_QUERY}", "--format=csv,noheader,nounits", limit=SMI)
    return replace(found, query=query, listing=ask("nvidia-smi", "-L", limit=SMI))


def _devices() -> int:
    """Display controllers (class 03) of NVIDIA (vendor 10de) on the PCI bus."""
    count = 0
    for device in Path("/sys/bus/pci/devices").glob("*"):
        with contextlib.suppress(OSError):
            vendor, kind = (device / "vendor").read_text().strip(), (device / "class").read_text().strip()
            count += vendor == "0x10de" and kind.startswith("0x03")
    return count


def _toolkit() -> list[str]:
    programs = [path for name in TOOLKIT if (path := shutil.which(name))]
    return programs + [str(file) for folder in CDI for file in sorted(Path(folder).glob("nvidia*"))]


def docker(images: Collection[str]) -> Docker:
    cli = shutil.which("docker")
    if cli is None:
        return Docker()
    _, compose, _ = detect_docker.docker()
    version = ask("docker", "version", "--format", "{{json .}}")
    alive = version is not None and version.status == 0
    return Docker(
        cli=cli,
        version=version,
        info=ask("docker", "info", "--format", "{{json .}}") if alive else None,
        member=_member(),
        images={name: answer for name in images if (answer := _image(name))} if alive else {},
        compose=compose or "",
    )


def _image(name: str) -> Answer | None:
    return ask("docker", "image", "inspect", "--format", "{{json .Config.Env}}", "--", name)


def _member() -> bool:
    try:
        return getpass.getuser() in grp.getgrnam("docker").gr_mem
    except (KeyError, OSError):
        return False


def docker_disk() -> Disk:
    """Where docker keeps images. Raises OSError where docker does not say, or where it is not on this machine."""
    answer = ask("docker", "info", "--format", "{{json .DockerRootDir}}")
    try:
        root = json.loads(answer.text) if answer is not None and answer.status == 0 else ""
    except ValueError:
        root = ""
    if not root:
        raise OSError("docker does not say where it keeps images")
    return disk(Path(root))
