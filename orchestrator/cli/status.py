from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption


def status(
    file: FileOption = Path("stack.yaml"), as_json: JsonOption = False, host_file: UnusedHostOption = None
) -> None:
    """What runs now: each model, its engine and whether its tools are proven."""
    from orchestrator import lifecycle, pipeline
    from orchestrator.edge.paths import StackPaths

    paths = StackPaths(pipeline.name_of(file))
    found = lifecycle.status(paths)
    if found is None:
        found = {"endpoint": _declared(file), "ready": False, "supervisor": "none", "models": []}
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found["supervisor"] or found.get("pid") is None:
        print(f"{paths.name} is not running (stack up)")
        return
    _table(paths.name, found)


def _declared(file: Path) -> str:
    """The endpoint of a stack that was never up."""
    from orchestrator.core.fields import listen_address
    from orchestrator.core.plan import endpoint_url
    from orchestrator.edge.stackfile.load import load

    return endpoint_url(listen_address(load(file).stack.endpoint.listen[0]))


def _table(name: str, found: dict[str, Any]) -> None:
    import sys

    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("model", "backend", "state", "tools", "probed", "pid", "port", "running", "waiting"):
        table.add_column(column)
    for row in found["models"]:
        probed = None if row.get("probed") is None else f"{_age(row['probed'])} ago"
        cells = [row["id"], row["backend"], row["state"], row["tools"], probed, row["pid"], row["port"]]
        table.add_row(*(str(c) if c is not None else "-" for c in [*cells, row["active"], row["queued"]]))
    # cut to the terminal's width, but whole in a file or a pipe
    console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 1000)
    word = "ready" if found["ready"] else "not ready"
    console.print(f"{name}: {word} at {found['endpoint']} (supervisor {found['supervisor']}, pid {found['pid']})")
    console.print(table)
    for row in found["models"]:
        if row["error"]:
            console.print(f"{row['id']}: {row['error']}", markup=False)
        for line in (*_about_tools(row), *_about_server(row)):
            console.print(f"{row['id']}: {line}", markup=False)
    for unit, state in found.get("units", {}).items():
        console.print(f"{unit}: {state}", markup=False)
    for warning in found["warnings"]:
        console.print(f"warning: {warning}", markup=False)


def _about_tools(row: dict[str, Any]) -> Iterator[str]:
    """What the table has no column for, where there is something to say."""
    if change := row.get("changed"):
        why = f": {change['why']}" if change["why"] else ""
        yield f"tools {change['from']} -> {change['to']} {_age(change['ago'])} ago{why}"
    calls = dict(row.get("calls", {}))  # a daemon of an older version has none
    valid, invalid, unchecked = (calls.pop(key, 0) for key in ("valid", "invalid", "unchecked"))
    if invalid:
        reasons = ", ".join(f"{why} {count}" for why, count in calls.items())
        calls_seen = valid + invalid + unchecked
        yield f"{invalid} of {calls_seen} tool calls in its answers to clients were invalid ({reasons})"


def _about_server(row: dict[str, Any]) -> Iterator[str]:
    """What an attached server holds in memory, as far as it tells."""
    from orchestrator.core.units import show_size

    if (seen := row.get("attached")) is None or "loaded" not in seen:
        return
    if not seen["loaded"]:
        yield f"not loaded in {seen['server']}"
        return
    words = f"loaded in {seen['server']}"
    if seen["memory"]:
        words += f": {show_size(seen['memory'])}, {show_size(seen['gpu_memory'] or 0)} of it on GPUs"
    words += f", a context of {seen['context']}" if seen["context"] else ""
    yield words + (f", until {seen['until']}" if seen["until"] else "")


def _age(seconds: int) -> str:
    """`40 s`, `12 m`, `5 h`, `3 d`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
