"""docs/backends.md says what the backends' own `can` and `reserves` say."""

from __future__ import annotations

import importlib

import pytest

from orchestrator.core.backend import Backend
from orchestrator.core.spec import BACKENDS
from tests import goldens
from tests.components import REPOSITORY

PAGE = REPOSITORY / "docs" / "backends.md"
HEADER = (
    "| backend | tools auto | required | named | parallel | json_schema | unload | KV reserved |\n"
    "|---|---|---|---|---|---|---|---|\n"
)


def implemented() -> list[Backend]:
    files = sorted((REPOSITORY / "orchestrator/core/backends").glob("[a-z]*.py"))
    backends = [importlib.import_module(f"orchestrator.core.backends.{file.stem}").BACKEND for file in files]
    return [backend for backend in backends if backend.implemented]


def row(backend: Backend) -> str:
    can = backend.can("", "hermes")
    cells = (can.auto, can.required, can.named, can.parallel, can.json_schema, can.unload, backend.reserves)
    return f"| {' | '.join((backend.name, *cells))} |\n"


@pytest.mark.golden
def test_the_matrix_is_what_the_code_says() -> None:
    goldens.check_part(PAGE, "matrix", HEADER + "".join(row(backend) for backend in implemented()))


def test_every_backend_has_its_row() -> None:
    """Also those of later issues: what the spec knows, the page tells."""
    page = PAGE.read_text()
    assert not [name for name in BACKENDS if f"| {name} |" not in page]
