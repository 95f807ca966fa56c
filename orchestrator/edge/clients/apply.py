"""A client's settings against its file: what would change, and the change itself, with a backup beside it."""

from __future__ import annotations

import difflib
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from orchestrator.core.client import UNUSED, Edit, Format, Items, Put, Settings
from orchestrator.core.stackfile.secretive import SECRET_NAME, SECRET_TEXT
from orchestrator.edge.clients import env, jsonc, toml, yaml
from orchestrator.edge.write import replace_file
from orchestrator.errors import UsageError

CHANGERS: dict[Format, Callable[[str, tuple[Edit, ...]], str]] = {
    "toml": toml.change,
    "json": jsonc.change,
    "yaml": yaml.change,
    "env": env.change,
}
HIDDEN = "***"


@dataclass(frozen=True)
class Change:
    """file: links followed; before: None where there is no file yet."""

    file: Path
    before: str | None
    after: str
    settings: Settings

    @property
    def needed(self) -> bool:
        return self.before != self.after

    def diff(self) -> str:
        """Unified, with the values of secrets hidden: a file of the user's may hold some."""
        before = (self.before or "").splitlines()
        name = str(self.file)
        lines = difflib.unified_diff(before, self.after.splitlines(), name, name, lineterm="")
        ours = _ours(self.settings)
        return "".join(_masked(line, ours) + "\n" for line in lines)


def alone(settings: Settings) -> str:
    """The settings as a file that holds nothing else."""
    return CHANGERS[settings.format]("", settings.edits)


def change(file: Path, settings: Settings) -> Change:
    """Raises UsageError where the file cannot be read or is not what its format says."""
    file = file.resolve()
    before: str | None
    try:
        before = file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        before = None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    try:
        after = CHANGERS[settings.format](before or "", settings.edits)
    except jsonc.BadText as error:
        mend = "mend it or move it away; `--print` shows what belongs into it"
        raise UsageError(f"{file}: {error}", mend=mend) from None
    return Change(file, before, after, settings)


def write(made: Change, now: datetime) -> Path | None:
    """Returns the backup, None where there was nothing to keep. Raises UsageError."""
    mode, backup = 0o600, None
    try:
        if made.before is not None:
            mode = made.file.stat().st_mode & 0o777
            backup = made.file.with_name(f"{made.file.name}.{now:%Y%m%d-%H%M%S}.bak")
            shutil.copy2(made.file, backup)
        replace_file(made.file, made.after.encode(), mode)
    except OSError as error:
        raise UsageError(f"{made.file}: cannot be written: {error.strerror or error}") from None
    return backup


def _ours(settings: Settings) -> frozenset[str]:
    """Texts that we wrote ourselves: none is a secret."""

    def texts(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for one in value.values():
                yield from texts(one)
        elif isinstance(value, list | tuple):
            for one in value:
                yield from texts(one)
        else:
            yield str(value)

    found = {UNUSED}
    for edit in settings.edits:
        found.update(texts(edit.value if isinstance(edit, Put) else edit.values if isinstance(edit, Items) else ()))
    return frozenset(found)


def _masked(line: str, ours: frozenset[str]) -> str:
    hit = re.match(r"""([-+ ]\s*(?:- )?(?:export )?["']?([\w-]+)["']?\s*[:=]\s*)(.+)$""", line)
    if hit and SECRET_NAME.search(hit[2]) and not _known(hit[3], ours):
        return hit[1] + HIDDEN
    return SECRET_TEXT.sub(HIDDEN, line)


def _known(value: str, ours: frozenset[str]) -> bool:
    bare = value.strip().rstrip(",").strip("\"'")
    return bare in ours or value.strip() in ("{", "[", "") or bool(re.fullmatch(r"\d+,?", value.strip()))
