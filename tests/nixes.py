"""Nix for tests: a store of its own, our flake as it would be committed, and tests/nix/nixpkgs in place of nixpkgs.

This machine's Nix, and a newer one (2.26) out of Debian trixie's package, which is unpacked with all that it needs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import debian
from tests.environments import CACHE

REPOSITORY = Path(__file__).resolve().parent.parent
STUB = REPOSITORY / "tests" / "nix" / "nixpkgs"
CONFIGURATION = REPOSITORY / "tests" / "nix" / "configuration.nix"
PARTS = (
    "flake.nix",
    "nix",
    "Dockerfile",
    "requirements/runtime.txt",
    "orchestrator",
    "templates",
    "models",
    "pyproject.toml",
    "README.md",
    "stack.yaml",
)
CONFIG = """experimental-features = nix-command flakes
build-users-group =
sandbox = false
substituters =
"""
NEWER = CACHE / f"nix-{debian.SUITE}"
COMMANDS = ("nix", "nix-build", "nix-instantiate")
WRAPPER = """#!/bin/sh
export NIX_CONFIG="$NIX_CONFIG
build-hook ="
set -- --argv0 "${{0##*/}}" {root}/usr/bin/nix "$@"
exec {root}/usr/lib64/ld-linux-*.so.* --library-path "$(echo {root}/usr/lib/*-linux-gnu)" "$@"
"""
"""By its own C library; what it starts finds this machine's. It would start itself as a hook, by a path that is the
loader's."""
STORE_PATH = re.compile(r"[^\s\"']*/store/[a-z0-9]{32}-")


@dataclass(frozen=True)
class Nix:
    """folder: holds the store, `source` (the flake) and `nixpkgs`."""

    folder: Path
    env: dict[str, str]

    @property
    def source(self) -> Path:
        return self.folder / "source"

    @property
    def nixpkgs(self) -> Path:
        return self.folder / "nixpkgs"

    def run(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """env: in place of the machine's."""
        own = {key: value for key, value in self.env.items() if key.startswith("NIX_")}
        chosen = self.env if env is None else {**env, **own, "PATH": f"{self.env['PATH'].split(':')[0]}:{env['PATH']}"}
        return subprocess.run(argv, cwd=self.folder, env=chosen, capture_output=True, text=True)

    def flake(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """`nix ARGV` on the flake; `FLAKE` stands for it."""
        words = [word.replace("FLAKE", f"path:{self.source}") for word in argv]
        given = ("--offline", "--no-write-lock-file", "--override-input", "nixpkgs", f"path:{self.nixpkgs}")
        # after `--` words are the program's
        at = words.index("--") if "--" in words else len(words)
        return self.run("nix", *words[:at], *given, *words[at:], env=env)

    def ask(self, attribute: str, **arguments: str) -> subprocess.CompletedProcess[str]:
        """The value of an attribute of tests/nix/configuration.nix as JSON. module: Nix, the rest: text."""
        return self.run("nix-instantiate", "--eval", "--strict", "--json", *self._expression(attribute, arguments))

    def value(self, attribute: str, **arguments: str) -> Any:
        done = self.ask(attribute, **arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def instantiate(self, attribute: str, **arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("nix-instantiate", *self._expression(attribute, arguments))

    def build(self, attribute: str, **arguments: str) -> subprocess.CompletedProcess[str]:
        """stdout: the path that was built."""
        return self.run("nix-build", "--no-out-link", *self._expression(attribute, arguments))

    def built(self, attribute: str, **arguments: str) -> Path:
        done = self.build(attribute, **arguments)
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())

    def _expression(self, attribute: str, arguments: dict[str, str]) -> list[str]:
        words = [str(CONFIGURATION), "-A", attribute, "--arg", "source", str(self.source)]
        words += ["--arg", "nixpkgs", str(self.nixpkgs)]
        for name, value in arguments.items():
            words += ["--arg" if name == "module" else "--argstr", name, value]
        return words


def install() -> Path:
    """Unpacks the newer Nix unless it is there. Takes some twenty seconds. Raises as debian.unpack."""
    debian.once(NEWER, _unpacked)
    return NEWER / "nix"


def _unpacked(folder: Path) -> Path:
    root = debian.unpack(folder, "nix-bin", needs=True)
    for name in COMMANDS:
        (root / name).write_text(WRAPPER.format(root=NEWER))
        (root / name).chmod(0o755)
    return root


def make(folder: Path, command: Path) -> Nix:
    """folder: empty; command: `nix`, with its others beside it. Files that git does not ignore: what is built is what
    would be committed."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *PARTS],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (REPOSITORY / name).is_file():
            target = folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, target)
    shutil.copytree(STUB, folder / "nixpkgs")
    # of the environment, not of what its symlink leads to
    (folder / "nixpkgs" / "machine.nix").write_text(f'{{ python = "{sys.executable}"; }}\n')
    home = folder / "home"
    home.mkdir()
    env = {key: value for key, value in os.environ.items() if not key.startswith(("NIX_", "XDG_", "STACK_", "HF_"))}
    env |= {
        "HOME": str(home),
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "NIX_CONFIG": CONFIG,
        "NIX_STORE_DIR": str(folder / "store"),
        "NIX_STATE_DIR": str(folder / "var"),
        "NIX_LOCALSTATE_DIR": str(folder / "var"),
        "NIX_LOG_DIR": str(folder / "log"),
        "NIX_CONF_DIR": str(folder / "etc"),
        "NIX_REMOTE": "",
    }
    return Nix(folder, env)


def shown(value: Any) -> str:
    """As a golden has it: paths of the store without their hashes, which are of this machine's Python."""
    return STORE_PATH.sub("/nix/store/HASH-", json.dumps(value, indent=2, sort_keys=True)) + "\n"


def unlocked(folder: Path) -> None:
    """A store is read-only; tests clean up behind themselves."""
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
