"""Checks of disks: room for the weights still to come and for images, and a hub cache that can be written."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.doctor.facts import Facts
from orchestrator.core.doctor.need import Need
from orchestrator.core.doctor.result import CannotTell, Said, bad, grave, known, ok, warning
from orchestrator.core.units import show_size

GIB = 2**30
SPARE = GIB // 4
"""What `stack pull` leaves free."""
LITTLE = 10 * GIB
"""Without a stack.yaml: less than a small model's weights."""
IMAGE = 30 * GIB
"""What an image of vLLM takes while it is unpacked: about 10 GB of layers and 20 of content."""
ROOM = "make room (stack prune --dry-run shows what can go), or set HF_HOME to another disk"


def disk_for_weights(facts: Facts, need: Need) -> Iterator[Said]:
    """What has to be downloaded yet fits on the disk of the hub cache."""
    disk = known(facts.cache_disk)
    free = f"{show_size(disk.free)} free at {disk.path}"
    downloads = known(facts.downloads)
    sizes = [one.size for one in downloads if one.size is not None]
    for one in downloads:
        if one.size is None:
            yield Said("unknown", f"what {one.model} has to download: {one.why} ({free})")
    if sizes and sum(sizes) + SPARE > disk.free:
        yield grave(f"{show_size(sum(sizes))} of weights have to come yet, {free}", ROOM)
    elif sizes:
        yield ok(f"{show_size(sum(sizes))} of weights have to come yet, {free}")
    elif disk.free < LITTLE and not downloads:
        yield warning(free, ROOM)
    elif not downloads:
        yield ok(free)


def hub_cache(facts: Facts, need: Need) -> Iterator[Said]:
    """The hub cache can be written by this user."""
    disk = known(facts.cache_disk)
    if disk.writable:
        yield ok(disk.path)
        return
    coming = not isinstance(facts.downloads, tuple) or bool(facts.downloads)
    mend = f"sudo chown -R {facts.user} {disk.path}, or set HF_HOME to a folder of yours"
    yield bad(bool(need.stack) and coming, f"{disk.path} cannot be written", mend)


def images(facts: Facts, need: Need) -> Iterator[Said]:
    """Images are here, or there is room to pull them: `stack up` pulls none by itself."""
    if not need.images:
        return
    docker = known(facts.docker)
    if docker.version is None or docker.version.status != 0:
        raise CannotTell("docker does not answer")
    missing = [name for name in need.images if name not in docker.images or docker.images[name].status != 0]
    for name in missing:
        yield grave(f"the image {name} is not here", f"docker pull {name}")
    if not missing:
        yield ok(", ".join(need.images))
        return
    disk = known(facts.docker_disk)
    if disk.free < IMAGE * len(missing):
        text = (
            f"{show_size(disk.free)} free at {disk.path}, and an image of vLLM takes {show_size(IMAGE)} while it comes"
        )
        yield warning(text, "docker image prune, or another data-root for docker")
