"""Hides what may be a secret in the lines of stack.yaml that errors show. When in doubt it hides."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from orchestrator.core.fields import VARIABLE
from orchestrator.core.stackfile.secretive import SECRET_FLAG, SECRET_NAME, SECRET_TEXT
from orchestrator.edge.stackfile.yaml_nodes import Mapping, Node, Scalar, Sequence, Span

HIDDEN = "***"


def secret_spans(node: Node | None) -> Iterator[Span]:
    """Where the values stand that may be secrets: under `key` and `keys` (and what is spelled nearly so), under names
    that speak of secrets, after flags such as --api-key."""
    if isinstance(node, Mapping):
        again = [(key, value) for key, value, _, _ in node.repeated]
        for key, value in [*node.entries.items(), *again]:
            if _names_secret(key):
                yield from _literals(value)
            else:
                yield from secret_spans(value)
    elif isinstance(node, Sequence):
        after_flag = False
        for item in node.items:
            if isinstance(item, Scalar) and (after_flag or ("=" in item.text and SECRET_FLAG.match(item.text))):
                yield item.span
            else:
                yield from secret_spans(item)
            after_flag = isinstance(item, Scalar) and bool(SECRET_FLAG.fullmatch(item.text))


def mask_line(line: str, number: int, spans: list[Span]) -> str:
    """The line (its number from 0) with every span on it hidden, and all that looks like a token."""
    for first, start, last, end in sorted(spans, reverse=True):
        if first <= number <= last:
            left = start if number == first else len(line) - len(line.lstrip())
            right = end if number == last else len(line)
            if right > left:
                line = line[:left] + HIDDEN + line[right:]
    return SECRET_TEXT.sub(HIDDEN, line)


def mask_broken(lines: list[str], number: int) -> str:
    """The same for a file that is no YAML: by the look of the line and of the ones it is indented under."""
    line = lines[number]
    depth = len(line) - len(line.lstrip())
    for above in reversed(lines[:number]):
        indent = len(above) - len(above.lstrip())
        if above.strip() and not above.lstrip().startswith("#") and indent < depth:
            depth = indent
            if (name := re.match(r"\s*(?:- )?[\"']?([\w-]+)[\"']?\s*:", above)) and _names_secret(name[1]):
                return re.sub(r"^(\s*[\w\"'-]*\s*:?\s*).*$", rf"\g<1>{HIDDEN}", line)
    for name in re.finditer(r"([\w-]+)[\"']?\s*:\s*", line):
        if _names_secret(name[1]):
            return line[: name.end()] + HIDDEN
    if flag := re.search(r"--?(?:api-?key|hf-?token)\b", line):
        return line[: flag.end()] + " " + HIDDEN
    return SECRET_TEXT.sub(HIDDEN, line)


def _names_secret(key: str) -> bool:
    near = len(key) <= len("keys") + 3 and difflib.get_close_matches(key.lower(), ("key", "keys"), cutoff=0.6)
    return bool(near or SECRET_NAME.search(key))


def _literals(node: Node) -> Iterator[Span]:
    """Every scalar below, but the names under `env` and `file`: those say where a secret is."""
    if isinstance(node, Scalar):
        yield node.span
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _literals(item)
    else:
        again = [(key, value) for key, value, _, _ in node.repeated]
        for key, value in [*node.entries.items(), *again]:
            named = isinstance(value, Scalar) and (
                key == "file" or (key == "env" and re.fullmatch(VARIABLE, value.text) is not None)
            )
            if not named:
                yield from _literals(value)
