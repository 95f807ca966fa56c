"""What the gateway's image is built from: the same files, whether the package is a checkout or a wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from orchestrator.edge.managers import compose_image
from tests.components import REPOSITORY

DIGEST = "from orchestrator.edge.managers import compose_image as c; print(c.__file__, c.digest(c.sources()))"


def test_a_wheel_builds_the_same_image_as_its_checkout(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(installed)
    files = compose_image.sources()
    env = os.environ | {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", DIGEST], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    file, digest = done.stdout.split()
    assert file.startswith(str(installed))
    assert digest == compose_image.digest(files)


def test_its_context_is_what_a_docker_build_of_the_checkout_sends() -> None:
    files = compose_image.sources()
    copied = [line.split()[1] for line in files["Dockerfile"].decode().splitlines() if line.startswith("COPY")]
    tops = {name if name.startswith("requirements") else name.partition("/")[0] for name in files}
    assert tops - {"Dockerfile"} == set(copied)
    sent = (REPOSITORY / ".dockerignore").read_text().split()
    assert {f"!{name}" for name in copied} | {"*"} <= set(sent)


def test_another_byte_is_another_image() -> None:
    files = {"Dockerfile": b"FROM a", "b": b"c"}
    assert compose_image.digest(files) == compose_image.digest(dict(files))
    assert len({compose_image.digest(files), compose_image.digest({"Dockerfile": b"FROM ab", "b": b""})}) == 2
