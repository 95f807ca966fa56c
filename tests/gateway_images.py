"""The base that the gateway's image is built on where there is no registry: this machine's Python with pip and every
library of requirements/runtime.txt, so that the Dockerfile's own `pip install` finds all of them there."""

from __future__ import annotations

import re
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from tests import dockers
from tests.components import REPOSITORY

LOCK = REPOSITORY / "requirements" / "runtime.txt"


def default_base() -> str:
    """The Dockerfile's own: `python:3.13-slim`."""
    hit = re.search(r"^ARG BASE=(\S+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert hit
    return hit[1]


def import_base(client: Any, file: Path) -> None:
    """Gives a docker daemon the base under the name that the Dockerfile asks for. file: for the tar."""
    _tar(file)
    client.api.import_image_from_file(str(file), *default_base().split(":"))


def _tar(file: Path) -> None:
    python = Path(sys.executable).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    inside = Path(sysconfig.get_path("purelib", vars={"base": sys.base_prefix, "platbase": sys.base_prefix}))
    libraries = dict(_libraries())
    binaries = [
        python,
        *stdlib.glob("lib-dynload/*.so"),
        *(path for path in libraries.values() if path.suffix == ".so"),
    ]
    with tarfile.open(file, "w") as tar:
        for path in (*binaries[:1], *stdlib.glob("lib-dynload/*.so"), *dockers.modules(stdlib)):
            tar.addfile(*dockers.entry(path))
        for path in dockers.libraries(binaries):
            if not path.is_relative_to(sys.prefix):  # a library's own lie beside it
                tar.addfile(*dockers.entry(path))
        for name, path in libraries.items():
            tar.addfile(*dockers.entry(path, str(inside / name)))
        link = tarfile.TarInfo(dockers.PYTHON.lstrip("/"))
        link.type, link.linkname = tarfile.SYMTYPE, str(python)
        tar.addfile(link)
        tmp = tarfile.TarInfo("tmp")
        tmp.type, tmp.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(tmp)


def _libraries() -> Iterator[tuple[str, Path]]:
    """(path below site-packages, file) of every library that the lock pins, and of pip."""
    names = re.findall(r"^([A-Za-z0-9_.-]+)==", LOCK.read_text(), re.MULTILINE)
    for name in (*names, "pip"):
        try:
            found = distribution(name)
        except ModuleNotFoundError:  # for another system or Python
            continue
        for file in found.files or ():
            path = Path(str(file.locate()))
            if ".." not in file.parts and "__pycache__" not in file.parts and path.is_file():
                yield str(file), path
