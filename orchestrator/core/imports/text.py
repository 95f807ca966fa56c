"""The stack.yaml of an import as text: where each model came from, and beside it what could not be said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.core.imports.draft import Draft, Imported, Note
from orchestrator.core.trouble import Steps, path

WIDTH = 110
PLAIN = re.compile(r"(?:[A-Za-z_/]|--?[A-Za-z]|\./|\.\./|~/)[\w./~@+=-]*", re.ASCII)
WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
Where = Callable[[Steps], int | None]
"""Line (from 1) of a place in the config."""


def stack_text(imported: Imported, file: str, where: Where) -> str:
    """file: as the reader knows the config."""
    return "\n".join(_lines(imported, file, where)) + "\n"


def told(note: Note, file: str, where: Where) -> str:
    """`config.yaml:12: models.x.ttl: ...`, for stderr and for the header."""
    line = where(note.steps)
    return f"{file}{'' if line is None else f':{line}'}: {path(note.steps)}: {note.text}"


def _lines(imported: Imported, file: str, where: Where) -> Iterator[str]:
    yield f"# Made by `stack import llama-swap` from {file}. `stack check`, `stack plan`, then `stack up`."
    yield "# llama-swap may go on being what starts the engines: supervisor: llama-swap"
    if imported.notes:
        yield "# What could not be said:"
        yield from _comments((told(note, file, where) for note in imported.notes), "# - ")
    yield "version: 1"
    data = imported.data()
    if "endpoint" in data:
        yield ""
        yield from _block({"endpoint": data["endpoint"]}, 0)
    yield ""
    yield "models:"
    for draft in imported.models:
        yield from _model(draft, data["models"][draft.id], file, where)


def _model(draft: Draft, data: Mapping[str, Any], file: str, where: Where) -> Iterator[str]:
    line = where(draft.steps)
    yield f"  {scalar(draft.id)}:"
    yield from _comments([f"{file}{'' if line is None else f':{line}'}: {path(draft.steps)}"], "    # from ")
    for note in draft.notes:
        place = where(note.steps)
        below = path(note.steps[len(draft.steps) :]) if note.steps[: len(draft.steps)] == draft.steps else ""
        words = ": ".join(word for word in (below or path(note.steps), note.text) if word)
        yield from _comments([f"line {place}: {words}" if place else words], "    # not said: ")
    yield from _block(data, 4)


def _comments(texts: Any, before: str) -> Iterator[str]:
    """A comment is one line, whatever the config holds."""
    for text in texts:
        yield before + "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _block(data: Mapping[str, Any], indent: int) -> Iterator[str]:
    pad = " " * indent
    for key, value in data.items():
        flow = f"{pad}{scalar(str(key))}: {_flow(value)}"
        short = len(flow) <= WIDTH and not (indent < 4 and isinstance(value, dict))
        if not isinstance(value, dict | list) or not value or short:
            yield flow
        elif isinstance(value, dict):
            yield f"{pad}{scalar(str(key))}:"
            yield from _block(value, indent + 2)
        else:
            yield f"{pad}{scalar(str(key))}:"
            yield from _wrapped([_flow(one) for one in value], indent + 2)


def _wrapped(items: list[str], indent: int) -> Iterator[str]:
    """`[a, b, ...]` over several lines."""
    line = " " * indent + "["
    for i, item in enumerate(items):
        end = "]" if i == len(items) - 1 else ","
        if line.strip() not in ("", "[") and len(line) + len(item) + 2 > WIDTH:
            yield line.rstrip()
            line = " " * (indent + 1)
        line += item + end + ("" if end == "]" else " ")
    yield line


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(k))}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(one) for one in value) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """Quoted wherever unquoted text could be read as something else: as JSON does it, but for characters beyond the
    first 65,536, which JSON escapes as two and YAML as one."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(ord(c)) for c in quoted)


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
