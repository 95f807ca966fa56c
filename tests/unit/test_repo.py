"""The repository itself: locks, committed files, docs, the wheel."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.components import REPOSITORY

REQUIREMENTS = REPOSITORY / "requirements"
LOCKS = (*sorted(REQUIREMENTS.glob("*.txt")), *sorted((REPOSITORY / "tests").glob("requirements-*.txt")))
ENGINE_LOCKS = tuple(sorted((REPOSITORY / "orchestrator" / "engines").glob("*.txt")))
# hosts that packages come from: whoever installs chooses them. Written apart, so that this file passes too
REGISTRIES = re.compile(
    r"pypi\." r"org|pythonhosted\." r"org|test\.pypi|index-" r"url\b|extra-" r"index|--find-" r"links"
)
COMMANDS = ("install", "up", "down", "test", "check", "golden", "bench")


def committed() -> list[Path]:
    """Every file that is or would be committed."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [path for name in listed.split("\0") if name and (path := REPOSITORY / name).is_file()]


def pins(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", lock.read_text(), re.MULTILINE))


def test_no_address_of_a_registry_is_committed() -> None:
    found = []
    for path in committed():
        if path.suffix in (".safetensors", ".gguf", ".png"):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if REGISTRIES.search(line):
                found.append(f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)
    assert not [path for path in committed() if path.name in ("uv.lock", "poetry.lock", "Pipfile.lock")]


@pytest.mark.parametrize("lock", [*LOCKS, *ENGINE_LOCKS], ids=lambda path: path.name)
def test_every_pin_has_a_hash(lock: Path) -> None:
    entries = re.split(r"\n(?=\S)", lock.read_text().strip())
    assert entries
    for entry in entries:
        if not entry.startswith("#"):
            assert re.match(r"[A-Za-z0-9_.-]+==\S+", entry), entry
            assert "--hash=sha256:" in entry, entry


@pytest.mark.parametrize("name", ["runtime", "build"])
def test_the_development_lock_replaces_no_pin(name: str) -> None:
    """`make test` after `make install` adds packages and changes none."""
    everything = pins(REQUIREMENTS / "dev.txt")
    shared = {
        package: version for package, version in pins(REQUIREMENTS / f"{name}.txt").items() if package in everything
    }
    assert shared == {package: everything[package] for package in shared}


def test_the_runtime_lock_names_what_the_package_needs() -> None:
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[<>=~!]", line)[0] for line in project["dependencies"]}
    listed = set((REQUIREMENTS / "runtime.in").read_text().split())
    assert needed == listed
    assert {name.lower().replace("_", "-") for name in listed} <= set(pins(REQUIREMENTS / "runtime.txt"))


def test_every_library_has_its_reason_in_the_decisions() -> None:
    reasons = (REPOSITORY / "docs/decisions/0001-dependencies.md").read_text()
    lines = [line for file in sorted(REQUIREMENTS.glob("*.in")) for line in file.read_text().split()]
    direct = {line for line in lines if not line.startswith(("-r", "runtime.in", "types-"))}
    assert not {name for name in direct if name not in reasons}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_makefile_has_the_promised_commands(command: str) -> None:
    assert re.search(rf"^{command}:.*## ", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("command", ["make up", "make down"])
def test_the_readme_shows_the_two_commands(command: str) -> None:
    assert command in (REPOSITORY / "README.md").read_text()


def test_links_in_the_docs_lead_somewhere() -> None:
    dead: list[str] = []
    for page in (path for path in committed() if path.suffix == ".md"):
        targets = [link for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()) if "://" not in link]
        dead += [f"{page.relative_to(REPOSITORY)}: {link}" for link in targets if not (page.parent / link).exists()]
    assert not dead, "\n".join(dead)


def test_the_wheel_carries_templates_and_engine_locks(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    carried = set(zipfile.ZipFile(wheel).namelist())
    templates = REPOSITORY / "templates"
    expected = {
        f"orchestrator/_templates/{path.relative_to(templates)}" for path in templates.rglob("*") if path.is_file()
    }
    expected |= {f"orchestrator/engines/{path.name}" for path in ENGINE_LOCKS}
    expected |= {f"orchestrator/_image/{name}" for name in ("Dockerfile", "runtime.txt")}
    assert expected <= carried
    assert not [name for name in carried if name.startswith(("tests/", "models/"))]
