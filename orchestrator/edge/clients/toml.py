"""TOML, changed in place by tomlkit, which keeps comments and order."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from orchestrator.core.client import Edit, Path, Put, Remove
from orchestrator.edge.clients.jsonc import BadText


def change(text: str, edits: tuple[Edit, ...]) -> str:
    """Raises BadText."""
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise BadText(str(error)) from None
    for edit in edits:
        if isinstance(edit, Put):
            _put(document, edit)
        elif isinstance(edit, Remove):
            table = _table(document, edit.path[:-1])
            found = None if table is None else table.get(edit.path[-1])
            if table is not None and found is not None and edit.value in (None, found):
                del table[edit.path[-1]]
        else:
            raise TypeError("a TOML file takes values and removals")
    return tomlkit.dumps(document)


def _put(document: MutableMapping[str, Any], edit: Put) -> None:
    table: Any = document
    for depth, key in enumerate(edit.path[:-1]):
        if key not in table:
            # a table that holds tables alone needs no head of its own
            table[key] = tomlkit.table(is_super_table=depth < len(edit.path) - 2)
        table = table[key]
        if not isinstance(table, MutableMapping):
            raise BadText(f"{'.'.join(edit.path[: depth + 1])} is no table")
    last = edit.path[-1]
    if last in table and (edit.once or table[last] == edit.value):
        return
    table[last] = edit.value


def _table(document: MutableMapping[str, Any], path: Path) -> MutableMapping[str, Any] | None:
    table = document
    for key in path:
        found = table.get(key)
        if not isinstance(found, MutableMapping):
            return None
        table = found
    return table
