"""pydantic's errors in plain words, and the nearest known name for one that is not known."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Union, get_args, get_origin

from pydantic_core import ErrorDetails

from orchestrator.core.fields import BACKENDS, TAGS
from orchestrator.core.spec import Shape, Stack
from orchestrator.core.stackfile.secretive import LITERAL
from orchestrator.core.trouble import Steps, Trouble

_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "too_short": "must not be empty",
    "unknown_backend": "unknown backend",
    "recursion_loop": "refers to itself",
}
_REQUIRED = {
    "version": "write `version: 1`",
    "models": "write `models:` and below it a name and its `sources`",
    "sources": "write `sources: {BACKEND: {...}}`",
}

LONGEST = 64
"""Of a word that is compared with known names."""


def trouble(error: ErrorDetails) -> Trouble:
    """One pydantic error as a Trouble; its steps are those of the file, without pydantic's own."""
    steps = steps_of(error["loc"])
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return Trouble(steps, _WORDS[kind], _near_key(steps))
    if kind == "unknown_backend":
        return Trouble(steps, _WORDS[kind], near(str(error["input"]), BACKENDS, always=True))
    if kind == "literal_error":
        return Trouble(steps, *_choice(error))
    if kind == "missing":
        return Trouble(steps, _WORDS[kind], _REQUIRED.get(str(steps[-1]), ""))
    if kind in ("model_type", "dict_type") and _takes_secret(steps):
        return Trouble(steps, LITERAL, "write {env: NAME} or {file: PATH}")
    if kind == "greater_than_equal":
        return Trouble(steps, f"must be at least {context['ge']}")
    if kind == "less_than_equal":
        return Trouble(steps, f"must be at most {context['le']}")
    if kind == "value_error":
        return Trouble(steps, str(context["error"]))
    return Trouble(steps, _WORDS.get(kind, error["msg"]))


def near(word: str, known: Iterable[str], *, always: bool = False, show: Mapping[str, str] | None = None) -> str:
    """ "did you mean `port`?", or "" if nothing is near. always: lists them all then; show: how to write a name."""
    names = list(known)
    if len(word) <= LONGEST and (found := difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)):
        return f"did you mean `{(show or {}).get(found[0], found[0])}`?"
    return f"known: {', '.join(names)}" if always else ""


def nearest_key(steps: Steps) -> Steps:
    """The place that a misspelled key probably meant; the same steps where nothing is near."""
    key = str(steps[-1]).lower()
    found = difflib.get_close_matches(key, _known(steps[:-1]), n=1, cutoff=0.6) if len(key) <= LONGEST else []
    return (*steps[:-1], found[0]) if found else steps


def steps_of(loc: tuple[int | str, ...]) -> Steps:
    """Without `[key]` and the tags of the two unions, `models.NAME.sources` and `...sources.KEY.stop`."""
    steps = loc[:-1] if loc[-1:] == ("[key]",) else loc
    for i, union in ((3, "sources"), (5, "stop")):
        if steps[:1] == ("models",) and steps[i - 1 : i] == (union,) and steps[i : i + 1] and steps[i] in TAGS:
            steps = steps[:i] + steps[i + 1 :]
    return steps


def _choice(error: ErrorDetails) -> tuple[str, str]:
    literal = str(error["ctx"]["expected"]).replace(" or ", ", ")
    names = [name.strip("'") for name in literal.split(", ")]
    text = f"must be {names[0]}" if len(names) == 1 else f"must be one of {', '.join(names)}"
    given = error["input"]
    return text, near(given, names) if isinstance(given, str) and len(names) > 1 else ""


def _takes_secret(steps: Steps) -> bool:
    return steps[-1] == "key" or (len(steps) in (2, 3) and steps[:2] == ("endpoint", "keys"))


def _near_key(steps: Steps) -> str:
    key, shapes = str(steps[-1]), _shapes(steps[:-1])
    deeper = {inner: f"{outer}.{inner}" for shape in shapes for outer, inner in _below(shape)}
    if key in deeper:
        return f"did you mean `{deeper[key]}`?"
    return near(key, _known(steps[:-1])) or near(key, deeper, show=deeper)


def _below(shape: type[Shape]) -> Iterator[tuple[str, str]]:
    for name, field in shape.model_fields.items():
        for inner in _flat(field.annotation):
            if _is_shape(inner):
                yield from ((name, key) for key in inner.model_fields)


def _known(steps: Steps) -> list[str]:
    return [name for shape in _shapes(steps) for name in shape.model_fields]


def _shapes(steps: Steps) -> list[type[Shape]]:
    """The mappings that may stand at a place."""
    level: list[Any] = [Stack]
    for step in steps:
        inner: list[Any] = []
        for kind in level:
            if _is_shape(kind):
                if step in kind.model_fields:
                    inner += _flat(kind.model_fields[step].annotation)
            elif step in TAGS:
                inner.append(kind)
            elif get_origin(kind) in (dict, tuple):
                inner += _flat(get_args(kind)[1 if get_origin(kind) is dict else 0])
        level = inner
    return [kind for kind in level if _is_shape(kind)]


def _flat(kind: Any) -> Iterator[Any]:
    """The members of a union, without Annotated around them."""
    if hasattr(kind, "__metadata__"):
        yield from _flat(get_args(kind)[0])
    elif get_origin(kind) in (Union, types.UnionType):
        for member in get_args(kind):
            yield from _flat(member)
    else:
        yield kind


def _is_shape(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Shape)
