from __future__ import annotations

from pathlib import Path

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption


def version(
    file: FileOption = Path("stack.yaml"), as_json: JsonOption = False, host_file: UnusedHostOption = None
) -> None:
    """The version of stack."""
    import json
    from importlib.metadata import version as installed

    number = installed("stack-serve")
    print(json.dumps({"version": number}) if as_json else f"stack {number}")
