"""Checks of NVIDIA GPUs: the driver, what CUDA it offers to the planned images, MIG, the container toolkit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.core.doctor.containers import info
from orchestrator.core.doctor.facts import Answer, Docker, Facts
from orchestrator.core.doctor.need import Need
from orchestrator.core.doctor.result import Said, bad, grave, known, ok, warning
from orchestrator.core.parse_host import parse_gpus, parse_mig

MENDS = (
    ("library version mismatch", "restart the machine: the driver was updated under the module that runs"),
    (
        "couldn't communicate with the NVIDIA driver",
        "sudo modprobe nvidia; after a new kernel, install its headers and the driver's DKMS package;"
        " with Secure Boot, enrol the module's key",
    ),
    ("No devices were found", "sudo dmesg | grep NVRM says why the driver refused the GPU"),
    ("Unknown Error", "in a container that lost its devices (systemctl daemon-reload does that): start it anew"),
    ("no answer within", "the driver hangs: sudo dmesg | grep -E 'NVRM|Xid', then restart the machine"),
)
OTHERWISE = "nvidia-smi -q and sudo dmesg | grep NVRM say more"

VLLM_CUDA = (((0, 20, 0), (13, 0)), ((0, 11, 1), (12, 9)), ((0, 9, 0), (12, 8)))
"""vLLM's images without a `-cuNNN` suffix, from that version on (its release notes; nixl PR 2140, vLLM issue 18813)."""

Version = tuple[int, int]


def nvidia_driver(facts: Facts, need: Need) -> Iterator[Said]:
    """A GPU on the bus, and nvidia-smi that answers."""
    nvidia = known(facts.nvidia)
    if nvidia.smi is None:
        if nvidia.devices:
            mend = "install NVIDIA's driver: the distribution's package, or NVIDIA's own"
            yield bad(need.gpus, "an NVIDIA GPU is here, and no driver (no nvidia-smi on PATH)", mend)
        elif need.gpus:
            yield grave("the stack wants GPUs, and this machine shows none", "stack plan --host FILE plans for another")
        return
    if nvidia.smi.status != 0:
        said = next(filter(None, map(str.strip, nvidia.smi.text.splitlines())), f"exit {nvidia.smi.status}")
        mend = next((mend for sign, mend in MENDS if sign in nvidia.smi.text), OTHERWISE)
        yield bad(need.gpus, f"nvidia-smi: {said.removeprefix('nvidia-smi: ')}", mend)
        return
    driver = re.search(r"Driver Version:\s*([\d.]+)", nvidia.smi.text)
    cuda = _offered(nvidia.smi)
    shown = f", CUDA up to {_show(cuda)}" if cuda else ""
    yield ok(f"driver {driver[1] if driver else 'of unknown version'}{shown}")


def cuda_of_images(facts: Facts, need: Need) -> Iterator[Said]:
    """What an image was built with must not be newer than what the driver offers: docker refuses to start it."""
    if not need.gpu_images:
        return
    nvidia, docker = known(facts.nvidia), known(facts.docker)
    offered = _offered(nvidia.smi)
    for image in need.gpu_images:
        wanted = _wanted(image, docker)
        if wanted is None or offered is None:
            lacking = "the image does not say" if offered else "the driver does not say"
            yield Said("unknown", f"{image}: {lacking} which CUDA it is made for")
        elif wanted <= offered:
            yield ok(f"{image} needs CUDA {_show(wanted)}, the driver offers {_show(offered)}")
        elif _other_way(image, docker):
            text = f"{image} is made for CUDA {_show(wanted)}, the driver offers {_show(offered)}"
            yield warning(f"{text}: NVIDIA lets it run on data centre GPUs only", "update the driver")
        else:
            text = f"{image} needs CUDA {_show(wanted)}, the driver offers {_show(offered)}"
            shown = _show(wanted)
            mend = f"a driver for which nvidia-smi shows CUDA {shown}, or an image for an older CUDA (-cuNNN tags)"
            yield grave(text, mend)


def mig(facts: Facts, need: Need) -> Iterator[Said]:
    """A GPU in MIG mode without instances can run nothing."""
    nvidia = known(facts.nvidia)
    if nvidia.query is None or nvidia.query.status != 0:
        return
    gpus, _ = parse_gpus(nvidia.query.text)
    split = [gpu for gpu in gpus if gpu.mig]
    listing = nvidia.listing.text if nvidia.listing is not None and nvidia.listing.status == 0 else ""
    for gpu in split:
        instances = [one for one in parse_mig(listing, (gpu,)) if one.uuid.startswith("MIG-")]
        if instances:
            yield ok(f"GPU {gpu.index} ({gpu.name}) is split into {len(instances)} MIG instances")
        else:
            mend = f"sudo nvidia-smi mig -i {gpu.index} -lgip lists profiles, -cgi PROFILE -C makes instances;"
            mend += f" sudo nvidia-smi -i {gpu.index} -mig 0 ends MIG mode"
            text = f"GPU {gpu.index} ({gpu.name}) is in MIG mode without instances: nothing can run on it"
            yield bad(need.gpus and len(split) == len(gpus), text, mend)


def container_toolkit(facts: Facts, need: Need) -> Iterator[Said]:
    """docker hands out GPUs by nvidia-container-toolkit: its hook, its runtime, or its CDI description."""
    nvidia, docker = known(facts.nvidia), known(facts.docker)
    if not docker.cli or not (need.gpu_images or nvidia.devices or nvidia.smi):
        return
    runtimes = info(docker).get("Runtimes") or {}
    if nvidia.toolkit or "nvidia" in runtimes:
        yield ok(", ".join(nvidia.toolkit) or "docker has the runtime nvidia")
        return
    mend = "install nvidia-container-toolkit, then sudo nvidia-ctk runtime configure --runtime=docker"
    mend += " && sudo systemctl restart docker"
    yield bad(bool(need.gpu_images), "nvidia-container-toolkit is missing: no container gets a GPU", mend)


def _offered(smi: Answer | None) -> Version | None:
    hit = re.search(r"CUDA[\w ]* Version:\s*(\d+)\.(\d+)", smi.text) if smi is not None else None
    return (int(hit[1]), int(hit[2])) if hit else None


def _wanted(image: str, docker: Docker) -> Version | None:
    """By the image's own NVIDIA_REQUIRE_CUDA where it is here; else by its tag; else by what vLLM's releases say."""
    if hit := re.search(r"\bcuda>=(\d+)\.(\d+)", _requirement(image, docker)):
        return int(hit[1]), int(hit[2])
    tag = image.partition("@")[0].rpartition(":")[2]
    if hit := re.search(r"-cu(\d\d)(\d)\b", tag):
        return int(hit[1]), int(hit[2])
    hit = re.match(r"v(\d+)\.(\d+)\.(\d+)", tag) if "vllm-openai" in image else None
    version = (int(hit[1]), int(hit[2]), int(hit[3])) if hit else (0, 0, 0)
    return next((cuda for first, cuda in VLLM_CUDA if version >= first), None)


def _requirement(image: str, docker: Docker) -> str:
    inspected = docker.images.get(image)
    hit = re.search(r'"NVIDIA_REQUIRE_CUDA=([^"]*)"', inspected.text) if inspected is not None else None
    # docker writes < and > as in HTML
    return hit[1].replace(r"\u003e", ">").replace(r"\u003c", "<") if hit else ""


def _other_way(image: str, docker: Docker) -> bool:
    """Alternatives stand beside `cuda>=`, by brand: `brand=tesla,driver>=535,driver<536`."""
    return "brand=" in _requirement(image, docker)


def _show(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
