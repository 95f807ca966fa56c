"""stack.yaml texts for tests: what is wrong with one, as people and scripts see it."""

from __future__ import annotations

import re
from textwrap import dedent

from orchestrator.core.spec import Stack
from orchestrator.edge.stackfile.load import parse
from orchestrator.errors import Problem, SpecError

MODEL = "models: {a: {sources: {mlx-lm: {path: ./a}}}}"


def read(text: str) -> Stack:
    """The stack of a text; `version: 1` and a model are added where it has none."""
    return parse(whole(text))[0]


def problems(text: str) -> list[Problem]:
    """All problems of a text that has some."""
    try:
        parse(whole(text))
    except SpecError as error:
        return list(error.problems)
    raise AssertionError("the text is a good stack.yaml")


def said(text: str) -> list[str]:
    """The same as `where: text (mend)`."""
    return [f"{p.where}: {p.text}" + (f" ({p.mend})" if p.mend else "") for p in problems(text)]


def whole(text: str) -> str:
    text = dedent(text)
    if not re.search(r"^(.*# )?version:", text, re.MULTILINE):
        text = f"version: 1\n{text}"
    return text if "models:" in text else f"{text.rstrip()}\n{MODEL}\n"


def model(text: str) -> str:
    """A whole file around the keys of one model `a`, which has a source unless the keys bring their own."""
    lines = dedent(text).strip("\n").splitlines()
    if not any(line.startswith("sources:") for line in lines):
        lines.append("sources: {mlx-lm: {path: ./a}}")
    return "version: 1\nmodels:\n  a:\n" + "\n".join(f"    {line}" for line in lines) + "\n"


def source(backend: str, keys: str) -> str:
    """A whole file around one source."""
    return model(f"sources: {{{backend}: {{{keys}}}}}")
