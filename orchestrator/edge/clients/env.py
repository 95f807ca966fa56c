"""Assignments that a shell reads, one a line."""

from __future__ import annotations

import re
import shlex

from orchestrator.core.client import Edit, Put
from orchestrator.edge.clients.jsonc import BadText


def change(text: str, edits: tuple[Edit, ...]) -> str:
    """Raises BadText."""
    lines = text.splitlines()
    for edit in edits:
        if not isinstance(edit, Put) or len(edit.path) != 1:
            raise TypeError("a file of variables takes values alone")
        name, line = edit.path[0], f"{edit.path[0]}={_quoted(str(edit.value))}"
        at = [i for i, old in enumerate(lines) if re.match(rf"(export\s+)?{name}=", old.strip())]
        if len(at) > 1:
            raise BadText(f"line {at[1] + 1}: {name} is set twice")
        if at:
            export = "export " if lines[at[0]].strip().startswith("export") else ""
            lines[at[0]] = export + line
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    """`${NAME}` and `$(cat FILE)` are for the shell to expand; all else is plain text."""
    return f'"{value}"' if value.startswith(("${", "$(")) else shlex.quote(value)
