"""Writes what is generated from the shape of stack.yaml: `python -m orchestrator.cli.docs [FOLDER]` (`make golden`)."""

from __future__ import annotations

import sys
from pathlib import Path


def generated() -> dict[str, str]:
    """File name in docs/ -> its text."""
    from orchestrator.core.stackfile.docs import docs
    from orchestrator.core.stackfile.schema import schema_text

    return {"stack-yaml.md": docs(), "stack.schema.json": schema_text()}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in generated().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs"))
