"""The shape that DESIGN.md and pyproject.toml promise: imports flow one way, files stay small, every file has words."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.components import REPOSITORY

PACKAGE = REPOSITORY / "orchestrator"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.stat().st_size)
MOST_LINES = 300
MEDIAN_LINES = 120


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def imported(path: Path) -> set[str]:
    """The top-level names that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


def test_imports_flow_one_way() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_errors_imports_nothing_of_ours_or_others() -> None:
    assert imported(PACKAGE / "errors.py") <= {"__future__", "collections", "dataclasses", "typing"}


def test_no_relative_imports() -> None:
    """A module says where its imports come from, so that import-linter's contracts can be read beside it."""
    for path in MODULES:
        relative = [
            node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom) and node.level
        ]
        assert not relative, path


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_small_and_says_what_it_is(path: Path) -> None:
    assert lines(path) <= MOST_LINES
    if path.parent.name != "cli":  # there the commands' docstrings are the help texts
        assert ast.get_docstring(ast.parse(path.read_text())), "no docstring"


def test_half_of_the_modules_are_short() -> None:
    assert statistics.median(lines(path) for path in MODULES) < MEDIAN_LINES


def test_every_target_has_its_test() -> None:
    """Backends have theirs in tests/contract/test_backends.py, which fails for one that it does not know."""
    tests = {path.name for path in (REPOSITORY / "tests").rglob("test_target_*.py")}
    assert {f"test_target_{path.name}" for path in (PACKAGE / "core" / "targets").glob("[a-z]*.py")} <= tests


def test_no_test_file_has_the_name_of_nothing() -> None:
    """tests/unit mirrors the package: test_X.py is about a module or a package called X."""
    names = {path.stem for path in PACKAGE.rglob("*.py")} | {path.name for path in PACKAGE.rglob("*") if path.is_dir()}
    own = {"repo", "structure"}
    strays = []
    for path in (REPOSITORY / "tests" / "unit").rglob("test_*.py"):
        subject = path.stem.removeprefix("test_")
        if subject not in own and not any(subject == name or subject.startswith(f"{name}_") for name in names):
            strays.append(str(path.relative_to(REPOSITORY)))
    assert not strays, strays
