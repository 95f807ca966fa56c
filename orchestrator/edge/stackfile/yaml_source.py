"""A YAML text that knows its places: the plain data of it, and for any YAML path the line that a reader should see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from orchestrator.edge.stackfile.yaml_nodes import Mapping, Node, Scalar, Sequence, Span, compose

Steps = tuple[str | int, ...]
WIDTH = 160


@dataclass(frozen=True)
class YamlSource:
    """root: None for a file without a value."""

    lines: tuple[str, ...]
    root: Node | None

    @classmethod
    def read(cls, text: str) -> YamlSource:
        """Raises yaml_nodes.BadYaml."""
        return cls(tuple(text.splitlines()), compose(text))

    def data(self, as_text: frozenset[Steps] = frozenset()) -> Any:
        """dict, list and scalars; a scalar at a place in `as_text` keeps its source form."""
        return _data(self.root, (), as_text)

    def at(self, steps: Steps) -> Node | None:
        node = self.root
        for step in steps:
            if isinstance(node, Mapping) and str(step) in node.entries:
                node = node.entries[str(step)]
            elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
            else:
                return None
        return node

    def steps(self, path: str) -> Steps:
        """`models.qwen2.5.aliases.0` -> its steps. Names may hold dots, so the file decides where a step ends."""
        return max(_parse(self.root, path), key=lambda pair: pair[0])[1]

    def where(self, path: str) -> tuple[int | None, str]:
        """Line (from 1) and that line, secrets masked; for a place that is not in the file, the nearest around it."""
        return self.place(self.steps(path))

    def place(self, steps: Steps) -> tuple[int | None, str]:
        node, line = self.root, None if self.root is None else self.root.span[0]
        for step in steps:
            if isinstance(node, Mapping) and str(step) in node.entries:
                line, node = node.lines[str(step)], node.entries[str(step)]
            elif isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
                node = node.items[step]
                line = node.span[0]
            else:
                break
        return (None, "") if line is None else (line + 1, self.excerpt(line + 1))

    def excerpt(self, line: int) -> str:
        if not 0 < line <= len(self.lines):
            return ""
        from orchestrator.edge.stackfile import mask  # a good file shows nothing

        return shown(mask.mask_line(self.lines[line - 1], line - 1, self._secrets))

    @cached_property
    def _secrets(self) -> list[Span]:
        from orchestrator.edge.stackfile import mask

        return sorted(set(mask.secret_spans(self.root)))

    def repeated(self) -> Iterator[tuple[Steps, int, int]]:
        """Keys written twice: place, line, line of the first (all from 1)."""
        seen: set[int] = set()

        def walk(node: Node | None, steps: Steps) -> Iterator[tuple[Steps, int, int]]:
            if node is None or id(node) in seen:
                return
            seen.add(id(node))
            if isinstance(node, Sequence):
                for i, item in enumerate(node.items):
                    yield from walk(item, (*steps, i))
            elif isinstance(node, Mapping):
                for key, _, line, first in node.repeated:
                    yield (*steps, key), line + 1, first + 1
                for key, value in node.entries.items():
                    yield from walk(value, (*steps, key))

        yield from walk(self.root, ())


def shown(line: str) -> str:
    """A line fit for a terminal: no control characters, not endless."""
    safe = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line.replace("\t", "    "))
    return safe if len(safe) <= WIDTH else safe[: WIDTH - 4] + " ..."


def _data(node: Node | None, steps: Steps, as_text: frozenset[Steps]) -> Any:
    if isinstance(node, Mapping):
        return {key: _data(value, (*steps, key), as_text) for key, value in node.entries.items()}
    if isinstance(node, Sequence):
        return [_data(item, (*steps, i), as_text) for i, item in enumerate(node.items)]
    if isinstance(node, Scalar):
        return node.text if steps in as_text else node.value
    return None


def _parse(node: Node | None, rest: str) -> Iterator[tuple[int, Steps]]:
    """Readings of a path as (characters that it explains, steps)."""
    yield 0, ()
    if isinstance(node, Mapping):
        for key, value in node.entries.items():
            if rest == key or rest.startswith(key + "."):
                for length, steps in _parse(value, rest[len(key) + 1 :]):
                    yield len(key) + 1 + length, (key, *steps)
    elif isinstance(node, Sequence):
        head, _, tail = rest.partition(".")
        if head.isdecimal() and int(head) < len(node.items):
            for length, steps in _parse(node.items[int(head)], tail):
                yield len(head) + 1 + length, (int(head), *steps)
