from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import FileOption, HostOption, JsonOption


def pull(
    models: Annotated[list[str] | None, typer.Argument(help="Models to pull; all of the stack's by default.")] = None,
    file: FileOption = Path("stack.yaml"),
    host_file: HostOption = None,
    as_json: JsonOption = False,
    update: Annotated[bool, typer.Option("--update", help="Look for newer commits of branches and tags.")] = False,
) -> None:
    """Download the weights that this machine needs, from the source that `stack plan` chooses."""
    from orchestrator.edge.attached.check import pull_tags
    from orchestrator.edge.host.detect import detect
    from orchestrator.edge.host.host_file import read_host
    from orchestrator.edge.hub.pull import pull as run
    from orchestrator.edge.hub.wanted import wanted
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.run import session
    from orchestrator.edge.stackfile.load import load

    loaded = load(file)
    stack = loaded.stack
    session.remember(StackPaths(loaded.name), loaded.file)  # `stack prune` keeps what this file refers to
    host = read_host(host_file)[0] if host_file else detect(stack.backends)
    items, words = wanted(stack, host, models or ())
    for word in words:
        print(word, file=sys.stderr)

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    tags = pull_tags([(item.model, item.source) for item in items if item.source.tag], say, update=update)
    for item in items:
        if not (item.source.tag or item.source.repo or item.source.path):
            say(f"{item.model}: its server has its own weights")
    done = run([item for item in items if item.source.repo or item.source.path], update=update)
    if as_json:
        print(json.dumps([asdict(one) for one in done] + [asdict(one) for one in tags], indent=2))
