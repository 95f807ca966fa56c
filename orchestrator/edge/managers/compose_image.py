"""The gateway's image, built from this very package: a checkout's files, or those that the wheel carries."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.edge.templates import PACKAGE, folder
from orchestrator.errors import PlanError

SOURCES = "stack.sources"
"""Label: the hash of what an image was built from. One that was built by hand has none, and stays as it is."""


def sources() -> dict[str, bytes]:
    """The build's context by path, laid out as a checkout is: `Dockerfile`, `requirements/runtime.txt`, ..."""
    carried = PACKAGE / "_image"
    top, lock = (carried, carried) if carried.is_dir() else (PACKAGE.parent, PACKAGE.parent / "requirements")
    found = {"Dockerfile": top / "Dockerfile", "requirements/runtime.txt": lock / "runtime.txt"}
    found |= _below("templates", folder())
    own = _below("orchestrator", PACKAGE).items()
    found |= {name: file for name, file in own if not name.startswith("orchestrator/_")}  # a wheel's templates
    return {name: file.read_bytes() for name, file in sorted(found.items())}


def _below(name: str, top: Path) -> dict[str, Path]:
    files = (path for path in top.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{name}/{path.relative_to(top).as_posix()}": path for path in files}


def digest(files: Mapping[str, bytes]) -> str:
    """16 hex digits."""
    made = hashlib.sha256()
    for name, content in files.items():
        made.update(f"{name}\0{len(content)}\0".encode() + content)
    return made.hexdigest()[:16]


def ensure(client: Any, tag: str, say: Callable[[str], None]) -> None:
    """Builds the image where it is missing, or was built from other sources. Raises PlanError."""
    from docker.errors import ImageNotFound

    files = sources()
    before = None
    with contextlib.suppress(ImageNotFound):
        before = client.images.get(tag)
        if before.labels.get(SOURCES, digest(files)) == digest(files):
            return
    say(f"building {tag}, the gateway's image" + (": its sources have changed" if before is not None else ""))
    _build(client, tag, files, say)
    if before is not None:
        _forget(client, before.id)


def remove(client: Any, name: str) -> None:
    """Every version that we made, unless a container of another stack uses it."""
    for image in client.images.list(name, filters={"label": SOURCES}):
        for tag in image.tags:
            _forget(client, tag)


def _forget(client: Any, image: str) -> None:
    from docker.errors import APIError

    with contextlib.suppress(APIError):  # 409: somebody's container uses it
        client.images.remove(image)


def _build(client: Any, tag: str, files: Mapping[str, bytes], say: Callable[[str], None]) -> None:
    from docker.errors import APIError

    said: deque[str] = deque(maxlen=8)
    labels = {SOURCES: digest(files)}
    try:
        for event in client.api.build(
            fileobj=_tar(files), custom_context=True, tag=tag, labels=labels, rm=True, forcerm=True, decode=True
        ):
            if "error" in event:
                raise _failed(tag, str(event["error"]), said)
            line = str(event.get("stream", "")).strip()
            said.extend(line.splitlines())
            if line.startswith("Step "):
                say(f"  {line[:110]}")
    except APIError as error:
        raise _failed(tag, str(error.explanation), said) from error


def _failed(tag: str, why: str, said: deque[str]) -> PlanError:
    mend = f"it needs the network, or a base image that has all: docker build -t {tag} --build-arg BASE=IMAGE CHECKOUT"
    return PlanError(f"the image {tag} cannot be built: {why.strip()}", mend=mend, details=tuple(said))


def _tar(files: Mapping[str, bytes]) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    packed.seek(0)
    return packed
