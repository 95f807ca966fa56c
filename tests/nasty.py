"""Values that escaping goes wrong on, one list for every manager and supervisor, and a child that says what it got."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.core.launch import Container, Launch, Process
from orchestrator.core.plan import Manager, Plan
from orchestrator.core.target import Target
from orchestrator.edge import templates
from orchestrator.errors import PlanError
from tests.plans import SITE, contained, fake, plan_of

VALUES: Mapping[str, str] = {
    "double quotes": 'say "hi"',
    "single quotes": "it's 'so'",
    "`<&>`": "<a & b>",
    "`${HOME}`": "${HOME}/x",
    "`$HOME`": "$HOME",
    "`$$`": "$$ $",
    "`%n`": "%n %h 100%",
    "`#` first": "# no comment",
    "`;`": ";",
    "a backslash": "C:\\new\\",
    "é": "é",
    "an emoji": "😀",
    "spaces around": " in between ",
    "a newline": "one\n# two\n[Service]\n",
    "a backslash before a newline": "tail\\\nnext",
    "a tab": "\tone\ttwo",
    "a carriage return": "one\rtwo",
    "an escape character": "\x1b[1m",
    "nothing": "",
    "`--`": "--",
    "`=`": "=",
    "100 000 characters": "x" * 100_000,
}
"""By what they are called in docs/services.md. As an argument and as a variable's value."""
MODEL = "org/nasty:1"
CHILD = "child.py"
PROGRAM = """#!{python} -S
import json, os, sys
at = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seen.json")
if not os.path.exists(at):
    with open(at + ".new", "w") as file:
        json.dump({{"argv": sys.argv[1:], "env": dict(os.environ)}}, file)
    os.rename(at + ".new", at)
"""


def child(folder: Path) -> Path:
    """A program that writes its argv and environment beside itself, the first time that it runs, and ends."""
    program = folder / CHILD
    program.write_text(PROGRAM.format(python=sys.executable))
    program.chmod(0o755)
    return program


def seen(folder: Path) -> dict[str, Any] | None:
    """What the child got; None while it has not run."""
    file = folder / "seen.json"
    return dict(json.loads(file.read_text())) if file.exists() else None


def variables(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((f"NASTY_{i}", value) for i, value in enumerate(values.values()))


Make = Callable[[Path, int, Mapping[str, str], Mapping[str, str]], Launch]
"""(folder of the child, port, arguments, values of variables) -> its launch."""


def process(folder: Path, port: int, arguments: Mapping[str, str], env: Mapping[str, str]) -> Launch:
    argv = (sys.executable, "-S", str(folder / CHILD), *arguments.values())
    return replace(fake(MODEL, port), how=Process(argv), env=variables(env))


def container(folder: Path, port: int, arguments: Mapping[str, str], env: Mapping[str, str]) -> Launch:
    """In tests/dockers.py's image."""
    from tests import dockers

    launch = contained(fake(MODEL, port))
    assert isinstance(launch.how, Container)
    argv = (dockers.PYTHON, "-S", str(folder / CHILD), *arguments.values())
    how = replace(launch.how, argv=argv, mounts=((str(folder), str(folder), "rw"),))
    return replace(launch, how=how, env=variables(env))


def plan(launch: Launch, name: str, manager: Manager = "", swap: tuple[str, int] | None = None) -> Plan:
    """Of that launch alone, as its manager's. swap: as for `plan_of`."""
    if manager:
        address = f"{name}:1" if manager in ("compose", "quadlet") else ""
        owner = "compose" if manager == "compose" else "manager"
        launch = replace(launch, owner=owner, address=address)
    return replace(plan_of(launch, name=name, swap=swap), manager=manager)


def wait(folder: Path, until: float = 30) -> dict[str, Any]:
    """What the child in that folder got, once it has run."""
    deadline = time.monotonic() + until
    while (got := seen(folder)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert got is not None, f"nothing has run in {folder}: {os.listdir(folder)}"
    return got


def check(folder: Path, arguments: Mapping[str, str], env: Mapping[str, str]) -> None:
    """The child in that folder got these values byte for byte."""
    got = wait(folder)
    assert got["argv"] == list(arguments.values())
    assert {name: got["env"].get(name) for name, _ in variables(env)} == dict(variables(env))


@dataclass(frozen=True)
class Carried:
    """What a target renders as an argument and as a variable, by the values' names; refused: its words for the rest."""

    arguments: Mapping[str, str]
    env: Mapping[str, str]
    refused: tuple[str, ...]

    def cell(self, name: str) -> str:
        """Of the table in docs/services.md."""
        both = {(True, True): "yes", (True, False): "argument only", (False, True): "variable only"}
        return both.get((name in self.arguments, name in self.env), "refused")


def carried(target: Target, make: Make = process) -> Carried:
    def words(arguments: Mapping[str, str], env: Mapping[str, str]) -> list[str]:
        launch = make(Path("/srv"), 18500, arguments, env)
        try:
            target.render(plan(launch, "t", target.manager), templates.render, SITE)
        except PlanError as error:
            return [f"{problem.where}: {problem.text}" for problem in error.problems] or [str(error)]
        return []

    arguments = {name: value for name, value in VALUES.items() if not words({name: value}, {})}
    env = {name: value for name, value in VALUES.items() if not words({}, {name: value})}
    return Carried(arguments, env, tuple(dict.fromkeys(words(VALUES, VALUES))))
