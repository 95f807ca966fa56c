"""docs/stack-yaml.md and docs/stack.schema.json say what core/spec.py says. `make golden` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.cli.docs import generated, main

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["stack-yaml.md", "stack.schema.json"])
def test_the_page_is_fresh(name: str) -> None:
    if os.environ.get("STACK_GOLDEN") == "write":
        main(DOCS)
    kept = (DOCS / name).read_text(encoding="utf-8") if (DOCS / name).exists() else ""
    assert kept == generated()[name], f"docs/{name} is behind core/spec.py: run `make golden`"


def test_every_key_of_the_shape_is_on_the_page() -> None:
    from orchestrator.core.stackfile.schema import schema

    page = generated()["stack-yaml.md"]
    for shape in (schema(), *schema()["$defs"].values()):
        for key in shape["properties"]:
            assert f"| `{key}` |" in page
