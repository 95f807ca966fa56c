"""stack.yaml on disk -> Stack, with every problem of the file at its place (DESIGN.md, decisions 9, 11, 12)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from orchestrator.core.spec import Stack
from orchestrator.core.stackfile.notyet import not_yet
from orchestrator.core.stackfile.reading import cross_checks, explain, text_places
from orchestrator.core.trouble import Steps, Trouble, path
from orchestrator.edge.stackfile.located import located
from orchestrator.edge.stackfile.yaml_nodes import MAX_BYTES, BadYaml, Mapping, Scalar
from orchestrator.edge.stackfile.yaml_source import YamlSource, shown
from orchestrator.errors import Problem, SpecError


@dataclass(frozen=True)
class Loaded:
    """stack: its paths absolute; name: resolved, of the form [a-z0-9-]{1,32}; file: absolute.

    `source.where("models.tiny.serve.port")` gives (line, excerpt) for problems that later stages find.
    """

    stack: Stack
    name: str
    file: Path
    source: YamlSource


def load(file: Path) -> Loaded:
    """Reads the file and nothing else. Raises SpecError with all problems."""
    return at(file, *written(file))


def written(file: Path) -> tuple[Stack, YamlSource]:
    """The file's Stack with its paths as written. Raises SpecError."""
    return parse(_read(file), str(file))


def at(file: Path, stack: Stack, source: YamlSource) -> Loaded:
    """A stack as though that file held it, which need not be there."""
    absolute = file.parent.resolve() / file.name
    return Loaded(located(stack, absolute.parent), stack.name or default_name(absolute.parent), absolute, source)


def parse(text: str, file: str = "stack.yaml") -> tuple[Stack, YamlSource]:
    """Text -> Stack with its paths as written. `file` is how errors call it. Raises SpecError."""
    try:
        source = YamlSource.read(text)
    except BadYaml as error:
        from orchestrator.edge.stackfile import mask

        lines = text.splitlines()
        known = error.line is not None and 0 < error.line <= len(lines)
        excerpt = shown(mask.mask_broken(lines, error.line - 1)) if known and error.line else ""
        raise SpecError(file, [Problem("", error.text, error.mend, error.line, excerpt)]) from error
    if source.root is None or (isinstance(source.root, Scalar) and source.root.value is None):
        source = YamlSource(source.lines, None)
    elif not isinstance(source.root, Mapping):
        line, excerpt = source.place(())
        raise SpecError(file, [Problem("", "must be a mapping", "begin with `version: 1`", line, excerpt)])
    stack, troubles = _read_again(source)
    problems = [*_repeated(source), *(problem(source, trouble) for trouble in troubles)]
    if stack is None or problems:
        raise SpecError(file, sorted(set(problems), key=lambda p: (p.line is None, p.line or 0, p.where)))
    return stack, source


def placed(source: YamlSource, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems of later stages with the line and excerpt of their `where`; those that have a line stay."""
    return tuple(
        one if one.line is not None or not one.where else replace(one, line=line, excerpt=excerpt)
        for one in problems
        for line, excerpt in [source.where(one.where)]
    )


def warnings(loaded: Loaded) -> tuple[Problem, ...]:
    """What `stack check` warns of and `stack plan` refuses: known, but not implemented yet."""
    return placed(loaded.source, not_yet(loaded.stack))


def problem(source: YamlSource, trouble: Trouble) -> Problem:
    """A Trouble at its place in the file."""
    steps = trouble.steps
    if not steps:
        return Problem("", trouble.text, trouble.mend)
    while len(steps) > 1 and isinstance(source.at(steps[:-1]), Scalar):
        steps = steps[:-1]
    line, excerpt = source.place(steps)
    return Problem(path(steps), trouble.text, trouble.mend, line, excerpt)


def default_name(folder: Path) -> str:
    """`My Models` -> `my-models-1a2b3c`: the folder's name and 6 hex of its path."""
    stem = re.sub(r"[^a-z0-9]+", "-", folder.name.lower()).strip("-")[:25].rstrip("-") or "stack"
    return f"{stem}-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:6]}"


def _read(file: Path) -> str:
    def refuse(text: str, mend: str = "") -> SpecError:
        return SpecError(str(file), [Problem("", text, mend)])

    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise refuse("there is no such file", "`stack init` writes one, `--file` names another") from None
    except IsADirectoryError:
        raise refuse("is a folder, not a file") from None
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_BYTES:
        raise refuse(f"is larger than {MAX_BYTES // 2**20} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SpecError(str(file), [Problem("", "is not UTF-8 text", "", line)]) from error


def _read_again(source: YamlSource) -> tuple[Stack | None, tuple[Trouble, ...]]:
    """Unquoted text in a text field keeps its source form: a second look at places that turned out to want text."""
    as_text: frozenset[Steps] = frozenset()
    while True:
        data = {} if source.root is None else source.data(as_text)
        try:
            stack = Stack.model_validate(data)
        except ValidationError as error:
            more = frozenset(steps for steps in text_places(error) if _number(source, steps)) - as_text
            if not more:
                return None, explain(data, error)
            as_text |= more
        else:
            return stack, cross_checks(stack)


def _number(source: YamlSource, steps: Steps) -> bool:
    node = source.at(steps)
    return isinstance(node, Scalar) and isinstance(node.value, bool | int | float)


def _repeated(source: YamlSource) -> Iterable[Problem]:
    for steps, line, first in source.repeated():
        text = f"is written twice: here and in line {first}"
        yield Problem(path(steps), text, "keep one of them", line, source.excerpt(line))
