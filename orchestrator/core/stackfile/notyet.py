"""What stack.yaml may already say and this version cannot do: `stack check` warns, `plan` refuses. Never ignored.

An issue that implements something takes its line out of these tables.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.spec import Model, Stack
from orchestrator.core.trouble import Steps, path
from orchestrator.errors import Problem

BACKENDS = ("apple-foundation",)


def not_yet(stack: Stack) -> tuple[Problem, ...]:
    """Each place as a Problem without a line, in the file's order of models."""
    return tuple(
        Problem(path(steps), f"not yet: {what} is known, but this version cannot do it")
        for steps, what in _found(stack)
    )


def _found(stack: Stack) -> Iterator[tuple[Steps, str]]:
    for backend in stack.backends:
        if backend in BACKENDS:
            yield ("backends", backend), f"backend `{backend}`"
    for name, model in stack.models.items():
        yield from _model(("models", name), model)


def _model(at: Steps, model: Model) -> Iterator[tuple[Steps, str]]:
    for i, (key, backend, _) in enumerate(model.ordered_sources()):
        if backend in BACKENDS:
            yield (*at, "sources", key if isinstance(model.sources, dict) else i), f"backend `{backend}`"


def not_yet_words() -> str:
    """The tables above as a section of docs/stack-yaml.md."""
    lines = ["## Not yet", "`stack check` warns of these, `stack plan` refuses them: a later version does them."]
    lines.append(f"- backends: {', '.join(f'`{one}`' for one in BACKENDS)}")
    return "\n".join(lines) + "\n"
