from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption

if TYPE_CHECKING:
    from orchestrator.core.pruning import Item, Kept


def prune(
    file: FileOption = Path("stack.yaml"),
    as_json: JsonOption = False,
    host_file: UnusedHostOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go, and how many bytes.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also revisions in the Hugging Face cache that other tools brought.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what stays, and why.")] = False,
) -> None:
    """Remove downloads, engines, images and states of ours that no known stack.yaml refers to."""
    from orchestrator.cli.progress import waiting
    from orchestrator.edge.prune.prune import find, quiet, remove
    from orchestrator.errors import UsageError

    at_hand = file if file.exists() else None
    with nullcontext() if as_json else waiting("looking for what can go"):
        items, kept = find(at_hand, everything=everything)
    if not as_json:
        _show(items, kept, verbose)
    failed: dict[str, str] = {}
    removed: list[Item] = []
    if items and not dry_run:
        if not yes:
            if as_json or not sys.stdin.isatty():
                raise UsageError("nothing is removed without being asked", mend="--yes, or --dry-run to look")
            if not typer.confirm("Remove all of this?"):
                raise typer.Exit(0)
        with quiet():
            # meanwhile another `stack` may have begun to use something
            still = {_key(item): item for item in find(at_hand, everything=everything)[0]}
            for item, why in remove([still[key] for key in map(_key, items) if key in still]):
                if why:
                    failed[item.path] = why
                else:
                    removed.append(item)
                if not as_json:
                    print(f"not removed: {item.name}: {why}" if why else f"removed {item.kind} {item.name}")
    _end(items, kept, removed, failed, dry_run, as_json)


def _key(item: Item) -> tuple[str, str, tuple[str, ...]]:
    """What is the same thing though its size has changed."""
    return item.kind, item.path, item.files


def _show(items: Sequence[Item], kept: Sequence[Kept], verbose: bool) -> None:
    from orchestrator.core.units import show_size

    names = [one.name for one in items] + [one.name for one in kept if verbose]
    width = max(map(len, names), default=0)
    for item in items:
        print(f"{item.kind:<7}  {item.name:<{width}}  {show_size(item.size):>9}  {item.why}")
    if verbose:
        for one in kept:
            print(f"{one.kind:<7}  {one.name:<{width}}  {'stays':>9}  {one.why}")
    if not verbose:  # what keeps all of a kind must be seen
        for one in kept:
            if one.name.startswith("all "):
                print(f"{one.name} stay: {one.why}")


def _end(
    items: Sequence[Item],
    kept: Sequence[Kept],
    removed: Sequence[Item],
    failed: dict[str, str],
    dry_run: bool,
    as_json: bool,
) -> None:
    from orchestrator.core.units import show_size
    from orchestrator.errors import PlanError

    if as_json:
        result: dict[str, Any] = {
            "dry_run": dry_run,
            "remove": [asdict(item) for item in items],
            "bytes": sum(item.size for item in items),
            "kept": [asdict(one) for one in kept],
            "removed": [item.path for item in removed],
            "failed": failed,
        }
        print(json.dumps(result, indent=2, ensure_ascii=False))
    elif not items:
        print("nothing to remove")
    elif dry_run:
        print(f"would free {show_size(sum(item.size for item in items))} (nothing was removed: --dry-run)")
    else:
        print(f"freed {show_size(sum(item.size for item in removed))}")
    if failed and not as_json:
        raise PlanError(f"{len(failed)} could not be removed", mend="the reasons are above")
    if failed:
        raise typer.Exit(PlanError.exit_code)
