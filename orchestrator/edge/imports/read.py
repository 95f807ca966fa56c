"""A llama-swap config on disk -> a stack.yaml's text, with every problem at its line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.imports import llama_swap, text, verify
from orchestrator.core.imports.draft import Imported
from orchestrator.core.trouble import Steps, Trouble
from orchestrator.edge import discover
from orchestrator.edge.stackfile.load import problem
from orchestrator.edge.stackfile.yaml_nodes import MAX_BYTES, BadYaml
from orchestrator.edge.stackfile.yaml_source import YamlSource
from orchestrator.errors import Problem, SpecError, UsageError


@dataclass(frozen=True)
class Read:
    """text: of the stack.yaml; notes: what could not be said, one a line with its place in the config."""

    imported: Imported
    text: str
    notes: tuple[str, ...]


def llama_swap_config(file: Path) -> Read:
    """Raises UsageError where there is no such file, SpecError with every problem of it."""
    source = _source(file)
    data = None if source.root is None else source.data()
    owned = {name: backend.owned_flags for name, backend in discover.backends().items()}
    imported, troubles = llama_swap.convert(data, os.environ, owned)
    found = [*_repeated(source), *(problem(source, trouble) for trouble in troubles)]
    if imported is not None and not found:
        found = [problem(source, trouble) for trouble in _known(source, verify.troubles(imported))]
    if imported is None or found:
        raise SpecError(str(file), sorted(set(found), key=lambda p: (p.line is None, p.line or 0, p.where)))

    def where(steps: Steps) -> int | None:
        return source.place(steps)[0]

    notes = tuple(text.told(note, str(file), where) for note in imported.every_note())
    return Read(imported, text.stack_text(imported, file.name, where), notes)


def _known(source: YamlSource, troubles: Iterable[Trouble]) -> Iterable[Trouble]:
    return troubles if source.root is not None else ()


def _repeated(source: YamlSource) -> Iterable[Problem]:
    for steps, line, first in source.repeated():
        where = ".".join(str(step) for step in steps)
        yield Problem(where, f"is written twice: here and in line {first}", "keep one", line, source.excerpt(line))


def _source(file: Path) -> YamlSource:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{file}: cannot be read: {error.strerror or error}", mend="name llama-swap's config"
        ) from None
    if len(content) > MAX_BYTES:
        raise SpecError(str(file), [Problem("", f"is larger than {MAX_BYTES // 2**20} MiB")])
    try:
        return YamlSource.read(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(str(file), [Problem("", "is not UTF-8 text", "", line)]) from None
    except BadYaml as error:
        raise SpecError(str(file), [Problem("", error.text, error.mend, error.line)]) from None
