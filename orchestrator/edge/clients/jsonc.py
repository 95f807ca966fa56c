"""JSON with comments and trailing commas, read with the place of every value, and changed where it must."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.client import Edit, Items, Only, Path, Put, Remove

_BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_WORD = re.compile(r"[-+.\w]+")
DEPTH = 60


class BadText(ValueError):
    """The file is not what its format says."""


@dataclass
class Node:
    """start, end: of the value; members: key -> (start of the key, value) of a mapping, None for anything else."""

    start: int
    end: int
    value: Any
    members: dict[str, tuple[int, Node]] | None = field(default=None)


def parse(text: str) -> Node:
    """Raises BadText with the line."""
    node = _value(text, _skip(text, 1 if text.startswith("\ufeff") else 0), 0)
    if _skip(text, node.end) != len(text):
        raise _bad(text, _skip(text, node.end), "goes on after its end")
    return node


def change(text: str, edits: tuple[Edit, ...]) -> str:
    """The text with the edits in it; what they do not touch stays byte for byte. Raises BadText."""
    if not text.strip():
        text = "{}\n"
    for edit in edits:
        if isinstance(edit, Put):
            text = _put(text, edit)
        elif isinstance(edit, Remove):
            text = _remove(text, edit.path, edit.value)
        elif isinstance(edit, Only):
            members = (_find(parse(text), edit.path) or Node(0, 0, {}, {})).members or {}
            for key in [key for key in members if key not in edit.keys]:
                text = _remove(text, (*edit.path, key), None)
        else:
            raise TypeError(f"{Items.__name__} are for lists of YAML")
    return text


def _put(text: str, edit: Put) -> str:
    root = parse(text)
    node, depth = root, 0
    for depth, key in enumerate(edit.path):
        if node.members is None:
            raise BadText(f"{'.'.join(edit.path[:depth]) or 'the file'} is no mapping")
        if key not in node.members:
            break
        node = node.members[key][1]
    else:
        if edit.once or node.value == edit.value:
            return text
        pad = _indent(text, node.start)
        return text[: node.start] + _shown(edit.value, pad, _step(text, root)) + text[node.end :]
    value: Any = edit.value
    for key in reversed(edit.path[depth + 1 :]):
        value = {key: value}
    return _insert(text, node, edit.path[depth], value, _step(text, root))


def _insert(text: str, into: Node, key: str, value: Any, step: str) -> str:
    """As the last member. A comment behind the last one stays with it."""
    outer = _indent(text, into.start)
    pad = outer + step
    member = f"{json.dumps(key, ensure_ascii=False)}: {_shown(value, pad, step)}"
    close = into.end - 1
    if into.members:
        last = max(node.end for _, node in into.members.values())
        comma = _skip(text, last)
        has_comma = text[comma] == ","
        at = comma + 1 if has_comma else last
        line_end = text.find("\n", at)
        line_end = close if line_end == -1 else line_end
        if has_comma and 0 <= line_end < close and not text[at:line_end].strip().startswith("/*"):
            at = line_end
        head = text[:last] + "," + text[last:at] if not has_comma else text[:at]
        rest = text[at:]
        if not has_comma and line_end < close and rest[: line_end - at].strip():
            head, rest = head + rest[: line_end - at], rest[line_end - at :]
        tail = rest if rest.lstrip(" \t").startswith("\n") else f"\n{outer}{rest.lstrip()}"
        return f"{head}\n{pad}{member}{',' if has_comma else ''}{tail}"
    inside = text[into.start + 1 : close].rstrip()
    return f"{text[: into.start + 1]}{inside}\n{pad}{member}\n{outer}{text[close:]}"


def _remove(text: str, path: Path, value: Any) -> str:
    parent = _find(parse(text), path[:-1])
    if parent is None or not parent.members or path[-1] not in parent.members:
        return text
    start, node = parent.members[path[-1]]
    if value is not None and node.value != value:
        return text
    after = _skip(text, node.end)
    if text[after] == ",":
        end = after + 1
    else:
        end = node.end
        before = [other.end for _, other in parent.members.values() if other.end <= start]
        if before:
            comma = _skip(text, max(before))
            text = text[:comma] + text[comma + 1 :]
            start, end = start - 1, end - 1
    line = text.rfind("\n", 0, start) + 1
    if not text[line:start].strip():
        start = max(0, line - 1)
    return text[:start] + text[end:]


def _find(root: Node, path: Path) -> Node | None:
    node = root
    for key in path:
        if node.members is None or key not in node.members:
            return None
        node = node.members[key][1]
    return node


def _shown(value: Any, pad: str, step: str) -> str:
    return json.dumps(value, indent=step or 2, ensure_ascii=False).replace("\n", "\n" + pad)


def _indent(text: str, at: int) -> str:
    """Of the line that holds this place."""
    line = text[text.rfind("\n", 0, at) + 1 :]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _step(text: str, root: Node) -> str:
    """What the file indents by."""
    starts = [start for start, _ in (root.members or {}).values()]
    first = _indent(text, min(starts)) if starts and "\n" in text[root.start : min(starts)] else ""
    return first or "  "


def _skip(text: str, at: int) -> int:
    hit = _BLANK.match(text, at)
    return hit.end() if hit else at


def _value(text: str, at: int, depth: int) -> Node:
    if depth > DEPTH:
        raise _bad(text, at, "is nested too deeply")
    first = text[at : at + 1]
    if first == "{":
        return _mapping(text, at, depth)
    if first == "[":
        return _list(text, at, depth)
    hit = _STRING.match(text, at) or _WORD.match(text, at)
    if hit is None:
        raise _bad(text, at, "a value is missing")
    try:
        return Node(at, hit.end(), json.loads(hit[0], strict=False))
    except ValueError:
        raise _bad(text, at, "a value that is no JSON") from None


def _mapping(text: str, start: int, depth: int) -> Node:
    members: dict[str, tuple[int, Node]] = {}
    at = _skip(text, start + 1)
    while text[at : at + 1] != "}":
        hit = _STRING.match(text, at)
        if hit is None:
            raise _bad(text, at, 'a key in "..." is missing')
        colon = _skip(text, hit.end())
        if text[colon : colon + 1] != ":":
            raise _bad(text, colon, "a colon is missing")
        node = _value(text, _skip(text, colon + 1), depth + 1)
        members[json.loads(hit[0], strict=False)] = (at, node)
        at = _next(text, node.end, "}")
    return Node(start, at + 1, {key: node.value for key, (_, node) in members.items()}, members)


def _list(text: str, start: int, depth: int) -> Node:
    items = []
    at = _skip(text, start + 1)
    while text[at : at + 1] != "]":
        node = _value(text, at, depth + 1)
        items.append(node.value)
        at = _next(text, node.end, "]")
    return Node(start, at + 1, items)


def _next(text: str, end: int, close: str) -> int:
    at = _skip(text, end)
    if text[at : at + 1] == ",":
        return _skip(text, at + 1)
    if text[at : at + 1] != close:
        raise _bad(text, at, "a comma is missing")
    return at


def _bad(text: str, at: int, why: str) -> BadText:
    return BadText(f"line {text.count(chr(10), 0, at) + 1}: {why}")
