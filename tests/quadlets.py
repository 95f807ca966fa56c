"""Podman's real generator of units, out of a newer Debian's package: bookworm's podman has none.

Only this one program is unpacked; it needs nothing else of podman to turn `*.container` files into units.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from orchestrator.core.target import Artifact
from tests import debian
from tests.environments import CACHE

GENERATOR = CACHE / f"quadlet-{debian.SUITE}" / "quadlet"
"""The first Debian whose podman has a generator that knows all keys that we render (5.4)."""


def install() -> Path:
    """Unpacks the generator unless it is there. Takes some ten seconds. Raises as debian.unpack."""
    return debian.once(GENERATOR, lambda folder: debian.unpack(folder, "podman") / "usr/libexec/podman/quadlet")


def write(artifacts: Iterable[Artifact], folder: Path) -> Path:
    """The rendered files as a user would copy them: into one folder."""
    for artifact in artifacts:
        file = folder / artifact.path.partition("/")[2]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(artifact.text)
    return folder


def generate(folder: Path, podman: str = "/usr/bin/podman") -> subprocess.CompletedProcess[str]:
    """What the generator does with a folder of unit files: the units on stdout, complaints on stderr."""
    env = os.environ | {"QUADLET_UNIT_DIRS": str(folder), "PODMAN": podman}
    argv = [str(GENERATOR), "-dryrun", "-user"]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


Sections = dict[str, list[tuple[str, str]]]


def text(done: subprocess.CompletedProcess[str], name: str) -> str:
    """One of the units that were generated. Raises KeyError."""
    return _texts(done)[name]


def _texts(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    parts = re.split(r"^---(\S+)---\n", done.stdout, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def units(done: subprocess.CompletedProcess[str]) -> dict[str, Sections]:
    """All that were generated: file name -> section -> (key, value) in order."""
    return {name: _sections(content) for name, content in _texts(done).items()}


def _sections(content: str) -> Sections:
    found: Sections = {}
    for line in content.split("\n"):
        if line.startswith("["):
            current = found.setdefault(line.strip("[]"), [])
        elif "=" in line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            current.append((key, value))
    return found


def started(unit: Sections) -> list[str]:
    """The argv that systemd starts for such a unit: its ExecStart, unquoted, specifiers and variables replaced."""
    service = unit["Service"]
    variables = [word for key, value in service if key == "Environment" for word in split(value)]
    known = dict(word.replace("%%", "%").split("=", 1) for word in variables)
    (line,) = [value for key, value in service if key == "ExecStart"]
    return [_filled(word, known) for word in split(line)]


def _filled(word: str, variables: Mapping[str, str]) -> str:
    """`${X}` as systemd replaces it; `$$` and `%%` are one each (systemd.service(5), Command lines)."""
    out, i = "", 0
    while i < len(word):
        if word.startswith(("$$", "%%"), i):
            out, i = out + word[i], i + 2
        elif word.startswith("${", i):
            end = word.index("}", i)
            out, i = out + variables[word[i + 2 : end]], end + 1
        else:
            out, i = out + word[i], i + 1
    return out


ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}


def split(line: str) -> list[str]:
    """systemd's words (systemd.syntax(7), Quoting): '' and "", C escapes in and out of them. A bare `;` would begin a
    second command. Raises ValueError for what systemd refuses."""
    words: list[bytes] = []
    word: bytes | None = None
    quote = ""
    i = 0
    while i < len(line):
        char = line[i]
        if char == "\\":
            piece, i = _escape(line, i + 1)
            word = (word or b"") + piece
            continue
        if quote:
            quote, word = ("", word) if char == quote else (quote, (word or b"") + char.encode())
        elif char in "'\"":
            quote, word = char, word or b""
        elif char in " \t\n\r":
            words, word = (words, None) if word is None else ([*words, word], None)
        elif char == ";" and word is None and line[i + 1 : i + 2] in ("", " ", "\t"):
            raise ValueError("a second command begins")
        else:
            word = (word or b"") + char.encode()
        i += 1
    if quote:
        raise ValueError("a quote is open")
    return [done.decode() for done in (*words, *(() if word is None else (word,)))]


def _escape(line: str, i: int) -> tuple[bytes, int]:
    """(the bytes of the escape at i, where it ends)."""
    char = line[i : i + 1]
    if char == "x":
        return bytes([int(line[i + 1 : i + 3], 16)]), i + 3
    if char in ("u", "U"):
        digits = 4 if char == "u" else 8
        return chr(int(line[i + 1 : i + 1 + digits], 16)).encode(), i + 1 + digits
    if char in ("0", "1", "2", "3"):
        return bytes([int(line[i : i + 3], 8)]), i + 3
    if char not in ESCAPES and char not in ('"', "'", "\\"):
        raise ValueError(f"no escape: \\{char}")
    return ESCAPES.get(char, char).encode(), i + 1
