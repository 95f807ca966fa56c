"""Errors in words, without colours: every command prints them through here, to stderr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from orchestrator.errors import PlanError, Problem, SpecError, StackError


def render_problems(error: StackError) -> str:
    """Any error of ours as text without a final newline.

    SpecError and PlanError list their places:

        stack.yaml:12: models.tiny.serve.prot: unknown key
           12 |     prot: 18500
           did you mean `port`?
    """
    if isinstance(error, SpecError):
        return render_places(error.problems, error.file)
    parts = [f"stack: {error}"]
    parts += [f"   {line}" for line in error.details]
    if error.mend:
        parts.append(f"   {error.mend}")
    if isinstance(error, PlanError) and error.problems:
        parts.append(render_places(error.problems, error.file))
    return "\n".join(parts)


def render_places(problems: Iterable[Problem], file: str, *, label: str = "") -> str:
    """One block a problem; `label` as `warning: ` goes before the words."""
    return "\n".join("\n".join(_block(problem, file, label)) for problem in problems)


def problem_json(problem: Problem) -> dict[str, Any]:
    """`where`, `text`, `mend`, `line` (null if the place has none), `excerpt`: what --json prints of a problem."""
    return asdict(problem)


def _block(problem: Problem, file: str, label: str) -> Iterator[str]:
    place = file if problem.line is None else f"{file}:{problem.line}"
    where = f"{problem.where}: " if problem.where else ""
    yield f"{place}: {label}{where}{problem.text}"
    if problem.excerpt.strip() and problem.line is not None:
        yield f"{problem.line:>5} | {problem.excerpt}"
    if problem.mend:
        yield f"   {problem.mend}"
