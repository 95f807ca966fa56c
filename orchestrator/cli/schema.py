"""`stack schema`."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption


def schema(
    file: FileOption = Path("stack.yaml"), as_json: JsonOption = False, host_file: UnusedHostOption = None
) -> None:
    """Print the JSON Schema of stack.yaml, for editors."""
    from orchestrator.core.stackfile.schema import schema_text

    sys.stdout.write(schema_text())
