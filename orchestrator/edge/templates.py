"""Jinja2 templates of the render targets: `templates/` of a checkout, `orchestrator/_templates` in a wheel."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

PACKAGE = Path(__file__).resolve().parent.parent


def folder() -> Path:
    """Raises FileNotFoundError when the installation is broken."""
    for place in (PACKAGE / "_templates", PACKAGE.parent / "templates"):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"no templates beside {PACKAGE}")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(folder()),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["quoted"] = _quoted
    found.filters["flow"] = _flow
    return found


def _quoted(value: str) -> str:
    """A YAML double-quoted scalar: a JSON string, whose unprintable characters are written as escapes.

    JSON's own escapes of what is beyond 16 bits are pairs of surrogates, which YAML does not know: those stay as is.
    """
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r}")
    return _flow(value)


def _flow(value: Any) -> str:
    """Any JSON value in YAML's flow style, its texts as `quoted` has them."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in text)


def render(name: str, **values: Any) -> str:
    """The text of templates/NAME with these values. An undefined value is an error (jinja2.UndefinedError)."""
    return _environment().get_template(name).render(**values)
