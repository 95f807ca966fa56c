"""Programs out of a newer Debian's packages, unpacked beside this machine's own, which stay what they are."""

from __future__ import annotations

import fcntl
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

SUITE = "trixie"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def once(target: Path, make: Callable[[Path], Path]) -> Path:
    """make(an empty folder) gives what is moved to `target`, unless that is there. Others wait meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.parent / f".{target.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            with tempfile.TemporaryDirectory(prefix="apt-", dir=target.parent) as folder:
                os.replace(make(Path(folder)), target)
    return target


def unpack(folder: Path, package: str, *, needs: bool = False) -> Path:
    """The tree of that package of SUITE. needs: with all that it depends on, down to the C library.

    Raises subprocess.CalledProcessError when apt fails, RuntimeError where this machine has no Debian mirror.
    """
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    signed = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
    (folder / "sources.list").write_text(f"deb {signed}{mirror()} {SUITE} main\n")
    options = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "APT::Sandbox::User": "root",
        "APT::Install-Recommends": "false",
    }
    apt = ["apt-get", "-q", "-y", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
    get = ["install", "--download-only"] if needs else ["download"]
    for argv in ([*apt, "update"], [*apt, *get, package]):
        subprocess.run(argv, cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    for found in folder.glob("archives/*.deb" if needs else "*.deb"):
        subprocess.run(["dpkg-deb", "-x", found, folder / "root"], check=True)
    return folder / "root"


def mirror() -> str:
    """Where this machine's own apt gets its Debian from; known before its lists are."""
    system = platform.freedesktop_os_release()
    which = (f"Release: {system.get('VERSION_CODENAME')}", "Component: main", "Created-By: Packages")
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", *which]
    found = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    if system["ID"] != "debian" or not found:
        raise RuntimeError("apt knows no mirror of Debian here")
    return found[0]
