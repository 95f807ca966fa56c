"""A small hub of our own, as a process, and `stack pull` against it."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import components

STACK = components.REPOSITORY / ".venv" / "bin" / "stack"


@dataclass(frozen=True, slots=True)
class FakeHub:
    url: str
    folder: Path

    def requests(self, name: str = "") -> list[str]:
        """`GET RANGE` of each request for files that end in `name`, in order."""
        lines = (line.split() for line in (self.folder / "requests.log").read_text().splitlines())
        return [f"{method} {wanted}" for method, path, wanted in lines if path.endswith(name)]


@contextmanager
def hub(folder: Path, port: int, *faults: str) -> Iterator[FakeHub]:
    """folder holds ORG/NAME/files; faults: as in tests/fakes/hub.py."""
    argv = [sys.executable, "-m", "tests.fakes.hub", str(port), str(folder), *faults]
    process = subprocess.Popen(argv, cwd=components.REPOSITORY)
    try:
        _wait(f"http://127.0.0.1:{port}/", process)
        (folder / "requests.log").write_text("")
        yield FakeHub(f"http://127.0.0.1:{port}", folder)
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            assert process.poll() is None
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


def environment(home: Mapping[str, str], url: str, hf_home: Path) -> dict[str, str]:
    """The environment of a `stack` that knows this hub only."""
    kept = {key: value for key, value in home.items() if not key.startswith(("HF_", "HUGGINGFACE"))}
    return {**kept, "HF_ENDPOINT": url, "HF_HOME": str(hf_home), "NO_PROXY": "127.0.0.1"}


def pull(
    env: Mapping[str, str], file: Path, *args: str, file_limit: int | None = None
) -> subprocess.CompletedProcess[str]:
    """file_limit: no file may grow beyond so many bytes, as on a disk that is full."""
    argv = [str(STACK), "pull", "--file", str(file), *args]
    if file_limit:
        argv = ["bash", "-c", f'ulimit -f {file_limit // 1024}; exec "$0" "$@"', *argv]
    return subprocess.run(argv, env=dict(env), capture_output=True, text=True, cwd=file.parent, timeout=120)


def start_pull(env: Mapping[str, str], file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(STACK), "pull", "--file", str(file)], env=dict(env), cwd=file.parent, stderr=subprocess.DEVNULL
    )


def blobs(env: Mapping[str, str]) -> list[Path]:
    return sorted(Path(env["HF_HOME"]).glob("hub/models--*/blobs/*"))
