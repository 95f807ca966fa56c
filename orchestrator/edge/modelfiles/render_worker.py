"""A child process that renders a chat template from somewhere else, set up as transformers does it.

Run as a script, with nothing of ours imported. JSON on stdin: template, tokens, tools, conversations, mutable (whether
it may change lists), go_on (whether the model's turn is opened), memory (bytes), seconds, characters. JSON to stdout:
{"texts": [str or null], "errors": [str or null]}, one each a conversation, or {"error": why it cannot be used at all}.

The set-up is that of transformers 5.23, utils/chat_template_utils.py (_cached_compile_jinja_template). The date is
fixed, so that the same template gives the same text.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedEnvironment
from jinja2.utils import Namespace

SAFE_JINJA = (3, 1, 6)
"""Older ones have known ways out of the sandbox; transformers refuses them, too."""
DATE = datetime(2026, 1, 1)


class TooMuch(Exception):
    """A template that writes without end."""


class Generation(Extension):
    """`{% generation %}`: marks the model's own words for training; nothing here."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller: Callable[[], str]) -> str:
        return caller()


class PlainNamespace(Namespace):
    """Takes no names with a leading underscore."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        self, rest = args[0], args[1:]
        attributes = dict(*rest, **kwargs)
        for name in attributes:
            _allowed(name)
        Namespace.__init__(self, attributes)

    def __setitem__(self, name: str, value: Any) -> None:
        _allowed(name)
        super().__setitem__(name, value)


def _allowed(name: object) -> None:
    if str(name).startswith("_"):
        raise SecurityError(f"a namespace takes no name {name!r}")


class PlainDict:
    """`dict(...)` without the class behind it."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


def compiled(template: str, *, mutable: bool = False) -> jinja2.Template:
    """Raises TemplateError, and whatever a strange template makes the compiler raise."""
    kind = SandboxedEnvironment if mutable else ImmutableSandboxedEnvironment
    environment = kind(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"])
    environment.filters["tojson"] = _tojson
    environment.globals |= {
        "raise_exception": _raise,
        "strftime_now": DATE.strftime,
        "dict": PlainDict(),
        "namespace": PlainNamespace,
    }
    return environment.from_string(template)


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise TemplateError(message)


def text_of(template: jinja2.Template, most: int, values: dict[str, Any]) -> str:
    """At most `most` characters. Raises TooMuch beyond, and whatever the template raises."""
    pieces, length = [], 0
    for piece in template.generate(**values):
        length += len(piece)
        if length > most:
            raise TooMuch(f"it writes more than {most} characters")
        pieces.append(piece)
    return "".join(pieces)


def words(error: BaseException) -> str:
    """An error of a template, in one line."""
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return (str(error).partition("\n")[0] or type(error).__name__)[:300]


def limit(memory: int, seconds: int) -> None:
    """For this process. Not every system knows each of them (macOS has no limit of memory): the parent watches, too.

    The limit of time is for a parent that is gone, so it comes later than the parent's own.
    """
    seconds *= 2
    limits = (
        (resource.RLIMIT_AS, (memory, memory)),
        (resource.RLIMIT_CPU, (seconds, seconds + 1)),
        (resource.RLIMIT_CORE, (0, 0)),
    )
    for what, most in limits:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, most)


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    found = tuple(int(part) for part in jinja2.__version__.split(".")[:3] if part.isdigit())
    if found < SAFE_JINJA:
        return {"error": f"jinja2 {jinja2.__version__} is not safe for templates of others: 3.1.6 or newer is"}
    try:
        template = compiled(asked["template"], mutable=asked["mutable"])
    except Exception as error:
        return {"error": words(error)}
    texts: list[str | None] = []
    errors: list[str | None] = []
    for messages in asked["conversations"]:
        values = {
            "tools": asked["tools"],
            "documents": None,
            "add_generation_prompt": asked["go_on"],
            **asked["tokens"],
        }
        try:
            texts.append(text_of(template, asked["characters"], {**values, "messages": messages}))
            errors.append(None)
        except (MemoryError, TooMuch) as error:
            return {"error": words(error)}
        except Exception as error:
            texts.append(None)
            errors.append(words(error))
    return {"texts": texts, "errors": errors}


def main() -> None:
    asked = json.load(sys.stdin)
    limit(asked["memory"], asked["seconds"])
    json.dump(answer(asked), sys.stdout)


if __name__ == "__main__":
    main()
