"""YAML text to nodes that remember their lines, in bounded time and memory.

Scalars follow YAML 1.2's core schema (`yes` and `on` are text, `010` is ten); tags beyond the core's are
refused, so nothing here can construct an object. Anchors, aliases and merge keys (`<<`) are expanded by reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_BYTES = 1 << 20
MAX_NODES = 50_000
"""After expansion of aliases: what a reader of the whole tree visits."""
MAX_DEPTH = 40

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CORE = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?[0-9]{1,40}|0o[0-7]{1,20}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NULL = ("", "~", "null", "Null", "NULL")
_TRUE = ("true", "True", "TRUE")
_FALSE = ("false", "False", "FALSE")

Span = tuple[int, int, int, int]
"""First line, first column, last line, column after the last character: all from 0."""


class BadYaml(Exception):
    """The text is no YAML that we take. line: from 1, None if the text as a whole is meant."""

    def __init__(self, text: str, line: int | None, mend: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.line = line
        self.mend = mend


@dataclass(slots=True)
class Scalar:
    """plain: unquoted, so that it may be a number, a boolean or null."""

    text: str
    plain: bool
    span: Span
    size: int = 1
    height: int = 1

    @property
    def value(self) -> Any:
        return resolve(self.text) if self.plain else self.text


@dataclass(slots=True)
class Sequence:
    items: list[Node]
    span: Span
    size: int = 1
    height: int = 1


@dataclass(slots=True)
class Mapping:
    """lines: of each key, from 0. repeated: (key, its value, its line, the line where it stood first)."""

    entries: dict[str, Node]
    span: Span
    lines: dict[str, int] = field(default_factory=dict)
    repeated: list[tuple[str, Node, int, int]] = field(default_factory=list)
    size: int = 1
    height: int = 1


Node = Scalar | Sequence | Mapping


def resolve(text: str) -> Any:
    """The value of unquoted text in YAML 1.2's core schema; .inf and .nan stay text: JSON has no such numbers."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INT.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text, base)
    if (
        _FLOAT.fullmatch(text)
        and not text.lstrip("+-").isdecimal()
        and len(text) < 400
        and abs(number := float(text)) != float("inf")
    ):
        return number
    return text


def compose(text: str) -> Node | None:
    """The root of the one document, None where there is none. Raises BadYaml."""
    try:
        return _Composer(text).document()
    except yaml.YAMLError as error:
        if isinstance(error, yaml.reader.ReaderError):
            raise BadYaml("holds a character that YAML does not allow", _odd_line(text)) from error
        problem = getattr(error, "problem", None) or "cannot be read"
        raise BadYaml(f"is not valid YAML: {problem}", _line(error)) from error


class _Composer:
    def __init__(self, text: str) -> None:
        self.events: Iterator[Any] = yaml.parse(text, Loader=_Loader)
        self.anchors: dict[str, Node] = {}
        self.open: set[str] = set()
        self.count = 0

    def document(self) -> Node | None:
        root: Node | None = None
        seen = False
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    mark: Any = event.start_mark
                    raise BadYaml("a second document begins here", mark.line + 1, "keep one document in the file")
                seen = True
                root = self.node(next(self.events), 1)
        return root

    def node(self, event: Any, depth: int) -> Node:
        line = event.start_mark.line + 1
        self.count += 1
        self.shallow(depth, line)
        if self.count > MAX_NODES:
            raise BadYaml(f"holds more than {MAX_NODES} values", line)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth, line)
        if event.anchor:
            self.open.add(event.anchor)
        found = self.fresh(event, depth)
        if event.anchor:
            self.open.discard(event.anchor)
            self.anchors[event.anchor] = found
        return found

    def alias(self, event: Any, depth: int, line: int) -> Node:
        if event.anchor in self.open:
            raise BadYaml("an alias stands inside the value that its anchor names", line)
        if event.anchor not in self.anchors:
            raise BadYaml("an alias without an anchor before it", line)
        found = self.anchors[event.anchor]
        self.bounded(found.size, line)
        self.shallow(depth + found.height - 1, line)
        return found

    def fresh(self, event: Any, depth: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            self.known_tag(event, "seq")
            return self.sequence(event, depth)
        self.known_tag(event, "map")
        return self.mapping(event, depth)

    def scalar(self, event: Any) -> Scalar:
        plain = event.tag is None and event.style in (None, "")
        kind = self.known_tag(event, "str", "int", "float", "bool", "null")
        found = Scalar(event.value, plain or kind in ("int", "float", "bool", "null"), _span(event, event))
        if kind not in ("", "str") and not _is(kind, found.value):
            raise BadYaml(f"`!!{kind}` does not fit its value", event.start_mark.line + 1)
        return found

    def sequence(self, start: Any, depth: int) -> Sequence:
        found = Sequence([], (0, 0, 0, 0))
        for event in self.events:
            if isinstance(event, yaml.SequenceEndEvent):
                found.span = _span(start, event)
                return found
            item = self.node(event, depth + 1)
            found.items.append(item)
            found.size = self.bounded(found.size + item.size, event.start_mark.line + 1)
            found.height = max(found.height, item.height + 1)
        raise BadYaml("is not valid YAML: a list does not end", start.start_mark.line + 1)

    def mapping(self, start: Any, depth: int) -> Mapping:
        found = Mapping({}, (0, 0, 0, 0))
        merged: dict[str, tuple[Node, int]] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                for key, (node, line) in merged.items():
                    found.lines.setdefault(key, line)
                    merged[key] = (found.entries.get(key, node), line)
                found.entries = {key: node for key, (node, _) in merged.items()} | found.entries
                found.span = _span(start, event)
                return found
            line = event.start_mark.line
            key, merge = self.key(event, depth)
            value = self.node(next(self.events), depth + 1)
            found.size = self.bounded(found.size + 1 + value.size, line + 1)
            found.height = max(found.height, value.height + 1)
            if key in found.lines:
                found.repeated.append((key, value, line, found.lines[key]))
                continue
            found.lines[key] = line
            if merge:
                self.merge(value, merged, line + 1)
            else:
                found.entries[key] = value
        raise BadYaml("is not valid YAML: a mapping does not end", start.start_mark.line + 1)

    def key(self, event: Any, depth: int) -> tuple[str, bool]:
        node = self.node(event, depth + 1)
        if not isinstance(node, Scalar):
            raise BadYaml("a key must be text", event.start_mark.line + 1)
        return node.text, node.plain and node.text == "<<" and isinstance(event, yaml.ScalarEvent)

    def merge(self, value: Node, merged: dict[str, tuple[Node, int]], line: int) -> None:
        sources = value.items if isinstance(value, Sequence) else [value]
        for source in sources:
            if not isinstance(source, Mapping):
                raise BadYaml("`<<` takes a mapping, or a list of mappings", line)
            for key, node in source.entries.items():
                merged.setdefault(key, (node, source.lines[key]))

    def bounded(self, size: int, line: int) -> int:
        if size > MAX_NODES:
            raise BadYaml(f"holds more than {MAX_NODES} values once its aliases are expanded", line)
        return size

    def shallow(self, depth: int, line: int) -> None:
        if depth > MAX_DEPTH:
            raise BadYaml(f"is nested deeper than {MAX_DEPTH} levels", line)

    def known_tag(self, event: Any, *allowed: str) -> str:
        """The core tag's short name, "" for none."""
        tag = event.tag
        if tag in (None, "", "!"):
            return ""
        short = str(tag).removeprefix(_CORE)
        if tag != _CORE + short or short not in allowed:
            raise BadYaml("a tag that is not known", event.start_mark.line + 1, "take the `!...` away")
        return short


def _is(kind: str, value: Any) -> bool:
    if kind == "null":
        return value is None
    if kind == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value).__name__ == kind


def _line(error: Any) -> int | None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return None if mark is None else int(mark.line) + 1


def _odd_line(text: str) -> int | None:
    odd = yaml.reader.Reader.NON_PRINTABLE.search(text)
    return None if odd is None else text.count("\n", 0, odd.start()) + 1


def _span(start: Any, end: Any) -> Span:
    return (start.start_mark.line, start.start_mark.column, end.end_mark.line, end.end_mark.column)
