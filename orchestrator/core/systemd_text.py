"""What a unit file can hold, and how: words of a command line, assignments, a folder.

Quoting, `%` and `$`: systemd.syntax(7), systemd.unit(5), systemd.service(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

BY_PATH = ("/bin/sh", "-c", 'exec "$@"', "stack")
"""systemd looks a bare name up in folders of its own, and takes no path with quotes in it: a shell does both."""
EXECUTABLE = re.compile("/[^\\x00-\\x1f\\x7f\"'\\\\]*[^\\x00-\\x1f\\x7f\"'\\\\/]")


def quoted(text: str) -> str:
    """One word of a unit file, byte for byte: C escapes in double quotes, `%` doubled."""
    return '"' + "".join(_escaped(char) for char in text).replace("%", "%%") + '"'


def command(argv: Iterable[str]) -> str:
    """A command line of a unit file. `$` is doubled: no variable is meant."""
    words = tuple(argv)
    if not EXECUTABLE.fullmatch(words[0]):
        words = (*BY_PATH, *words)
    return " ".join(quoted(word).replace("$", "$$") for word in words)


def _escaped(char: str) -> str:
    if char in '\\"':
        return f"\\{char}"
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def sayable(value: str) -> bool:
    """Of environment, systemd takes UTF-8 without control characters but tab and newline, and no noncharacter."""
    return all(char in "\t\n" or not _control(char) for char in value)


def _control(char: str) -> bool:
    code = ord(char)
    surrogate, none = 0xD800 <= code <= 0xDFFF, 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
    return code < 0x20 or code == 0x7F or surrogate or none


def folder_sayable(value: str) -> bool:
    """WorkingDirectory= is no quoted word: it ends with its line, and blanks around it are not its own."""
    return value == value.strip() and not value.endswith("\\") and not any(map(_control, value))
