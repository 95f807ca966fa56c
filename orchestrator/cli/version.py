from __future__ import annotations

from orchestrator.cli.options import JsonOption


def version(as_json: JsonOption = False) -> None:
    """The version of stack."""
    import json
    from importlib.metadata import version as installed

    number = installed("stack-serve")
    print(json.dumps({"version": number}) if as_json else f"stack {number}")
