"""The error tree. Every error that a user can meet is one of these; `cli` turns it into words and an exit code.

StackError                 1    our bug, unless a subclass says otherwise
├── UsageError             2    the command line
├── SpecError              3    stack.yaml (carries every problem found, not the first)
├── PlanError              4    cannot be planned, does not fit, or is not implemented yet
│   └── Unsayable          3    stack.yaml holds a value that a target's files cannot carry
├── EngineError            5    an engine failed
│   └── PortTaken          5    somebody else listens where we must
├── ProbeFailed            6    the tool path does not hold
├── LockHeld               7    another `stack` is at work on this stack
├── Drift                  8    a rendered file was edited by hand
└── Interrupted          130    Ctrl-C, after cleaning up
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in stack.yaml.

    where: YAML path as `models.tiny.serve.port`; line: 1-based, None if the place has none;
    excerpt: that line as the user wrote it, secrets masked; mend: what to do about it.
    """

    where: str
    text: str
    mend: str = ""
    line: int | None = None
    excerpt: str = ""


class StackError(Exception):
    exit_code = 1

    def __init__(self, text: str, *, mend: str = "", details: Sequence[str] = ()) -> None:
        super().__init__(text)
        for line in (*details, *filter(None, (mend,))):
            self.add_note(line)  # a traceback of the Python API shows them
        self.text = text
        self.mend = mend
        self.details = tuple(details)


class UsageError(StackError):
    exit_code = 2


class SpecError(StackError):
    exit_code = 3

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        count = len(problems)
        super().__init__(f"{file}: {count} problem{'s' if count != 1 else ''}")
        self.file = file
        self.problems = tuple(problems)
        _note(self, self.problems)


class PlanError(StackError):
    """`problems` name the places in stack.yaml where there is one; `file`: how the user called that file."""

    exit_code = 4

    def __init__(
        self, text: str, *, mend: str = "", details: Sequence[str] = (), problems: Sequence[Problem] = ()
    ) -> None:
        super().__init__(text, mend=mend, details=details)
        self.problems = tuple(problems)
        self.file = "stack.yaml"
        _note(self, self.problems)


class Unsayable(PlanError):
    """target: whose files; `problems` name the values' places in stack.yaml."""

    exit_code = 3

    def __init__(self, target: str, problems: Sequence[Problem]) -> None:
        super().__init__(f"{target} cannot say this", problems=problems)


def _note(error: StackError, problems: Sequence[Problem]) -> None:
    for one in problems:
        where = f"{one.where}: " if one.where else ""
        error.add_note(f"{where}{one.text}" + (f" ({one.mend})" if one.mend else ""))


class EngineError(StackError):
    """`details` is the tail of the engine's log."""

    exit_code = 5


class PortTaken(EngineError):
    pass


class ProbeFailed(StackError):
    exit_code = 6


class LockHeld(StackError):
    exit_code = 7


class Drift(StackError):
    exit_code = 8


class Interrupted(StackError):
    exit_code = 130
