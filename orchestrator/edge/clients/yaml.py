"""YAML, changed line by line: what is not ours stays byte for byte. Block style; places as yaml_nodes gives them."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.core.client import Edit, Items, Put, Remove
from orchestrator.core.imports.text import scalar
from orchestrator.edge.clients.jsonc import BadText
from orchestrator.edge.stackfile.yaml_nodes import BadYaml, Mapping, Node, Scalar, Sequence, compose


def change(text: str, edits: tuple[Edit, ...]) -> str:
    """Raises BadText."""
    for edit in edits:
        root = _root(text)
        if isinstance(edit, Put):
            text = _put(text, root, edit)
        elif isinstance(edit, Remove):
            text = _remove(text, root, edit)
        elif isinstance(edit, Items):
            text = _items(text, root, edit)
        else:
            raise TypeError("a YAML file takes values, removals and items")
    return text


def data(node: Node | None) -> Any:
    if isinstance(node, Mapping):
        return {key: data(value) for key, value in node.entries.items()}
    if isinstance(node, Sequence):
        return [data(item) for item in node.items]
    return None if node is None else node.value


def _root(text: str) -> Mapping:
    try:
        node = compose(text)
    except BadYaml as error:
        raise BadText(error.text if error.line is None else f"line {error.line}: {error.text}") from None
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return Mapping({}, (0, 0, 0, 0))
    if not isinstance(node, Mapping):
        raise BadText("is no mapping")
    return node


def _put(text: str, root: Mapping, edit: Put) -> str:
    (key,) = edit.path
    line = f"{scalar(key)}: {scalar(edit.value)}"
    node = root.entries.get(key)
    if node is None:
        return _append(text, [line])
    if edit.once or data(node) == edit.value:
        return text
    if not isinstance(node, Scalar):
        raise BadText(f"{key} is no plain value")
    return _replace(text, node.span, scalar(edit.value))


def _remove(text: str, root: Mapping, edit: Remove) -> str:
    (key,) = edit.path
    node = root.entries.get(key)
    if not isinstance(node, Scalar) or edit.value not in (None, node.value):
        return text
    lines = text.splitlines(keepends=True)
    return "".join(lines[: root.lines[key]] + lines[node.span[2] + 1 :])


def _items(text: str, root: Mapping, edit: Items) -> str:
    (key,) = edit.path
    found = root.entries.get(key)
    if found is None or data(found) in (None, []):
        return _first_items(text, root, key, found, edit.values)
    if not isinstance(found, Sequence):
        raise BadText(f"{key} is no list")
    lines = text.splitlines(keepends=True)
    if not lines[found.items[0].span[0]].lstrip().startswith("- "):
        raise BadText(f"line {found.items[0].span[0] + 1}: {key} must be a list with one item a line, `- `")
    indent = len(lines[found.items[0].span[0]]) - len(lines[found.items[0].span[0]].lstrip())
    wanted = {value["name"]: value for value in edit.values}
    made: list[str] = []
    end = _last(found.items[-1], lines)
    for item in reversed(found.items):
        old = data(item)
        name = str(old.get("name")) if isinstance(old, dict) else ""
        if not name.startswith(edit.prefix):
            continue
        value = wanted.pop(name, None)
        if value == old:
            continue
        first, last = item.span[0], _last(item, lines)
        new = _item(value, indent) if value is not None else []
        lines[first : last + 1] = new
        end += len(new) - (last + 1 - first)
    for value in edit.values:
        if value["name"] in wanted:
            made += _item(value, indent)
    if lines and not lines[end].endswith("\n"):
        lines[end] += "\n"
    return "".join([*lines[: end + 1], *made, *lines[end + 1 :]])


def _first_items(text: str, root: Mapping, key: str, found: Node | None, values: tuple[dict[str, Any], ...]) -> str:
    """The list does not exist yet, or is empty."""
    items = [line for value in values for line in _item(value, 2)]
    if found is None:
        return _append(text, [f"{key}:", *(line.rstrip("\n") for line in items)])
    lines = text.splitlines(keepends=True)
    at = root.lines[key]
    lines[at : found.span[2] + 1] = [f"{key}:\n", *items]
    return "".join(lines)


def _item(value: dict[str, Any], indent: int) -> list[str]:
    """A mapping as an item, one key a line."""
    pad = " " * indent
    rows = [f"{key}: {_flow(one)}\n" for key, one in value.items()]
    return [f"{pad}{'- ' if i == 0 else '  '}{row}" for i, row in enumerate(rows)]


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(one) for one in value) + "]"
    return scalar(value) if isinstance(value, str) else json.dumps(value)


def _last(node: Node, lines: list[str]) -> int:
    """The last line that a node has anything on. The span of a block goes on to what follows it."""
    first, start, last, end = node.span
    if isinstance(node, Scalar) or lines[first][start : start + 1] in ("{", "["):
        return last if end or last == first else last - 1
    children = list(node.entries.values()) if isinstance(node, Mapping) else node.items
    return max((_last(child, lines) for child in children), default=first)


def _append(text: str, new: list[str]) -> str:
    end = "" if not text or text.endswith("\n") else "\n"
    return text + end + "\n".join(new) + "\n"


def _replace(text: str, span: tuple[int, int, int, int], new: str) -> str:
    lines = text.splitlines(keepends=True)
    first, start, last, end = span
    whole = lines[first][:start] + new + lines[last][end:]
    return "".join([*lines[:first], whole, *lines[last + 1 :]])
