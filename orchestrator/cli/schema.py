"""`stack schema`."""

from __future__ import annotations

import sys


def schema() -> None:
    """Print the JSON Schema of stack.yaml, for editors."""
    from orchestrator.core.schema import schema_text

    sys.stdout.write(schema_text())
