"""`stack render`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import FileOption, HostOption, JsonOption

if TYPE_CHECKING:
    from orchestrator.core.target import Artifact
    from orchestrator.pipeline import Prepared

TARGETS = {
    "linux": ("llama-swap", "systemd", "systemd-system", "compose", "quadlet"),
    "macos": ("llama-swap", "launchd"),
}
"""What each system has, in order; a target without a file in core/targets/ comes with a later version."""


def render(
    target: Annotated[
        str | None, typer.Argument(help="llama-swap, systemd, systemd-system, launchd, compose, quadlet.")
    ] = None,
    file: FileOption = Path("stack.yaml"),
    host_file: HostOption = None,
    as_json: JsonOption = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the files below this folder.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that were edited by hand.")] = False,
) -> None:
    """Write the plan as other programs' files. One target without --out is printed."""
    from orchestrator import pipeline
    from orchestrator.errors import UsageError

    if target is not None and target not in {name for names in TARGETS.values() for name in names}:
        raise UsageError(f"there is no target {target}", mend=f"one of {', '.join(_all())}")
    prepared = pipeline.prepare(file, host_file)
    artifacts = _one(prepared, target) if target is not None else _every(prepared)
    for artifact in artifacts:
        for note in artifact.notes:
            print(f"{artifact.path}: left out: {note}", file=sys.stderr)
    if out is not None:
        _write(artifacts, out, force, as_json)
    elif as_json:
        found = [{"path": a.path, "mode": a.mode, "text": a.text, "notes": a.notes} for a in artifacts]
        print(json.dumps(found, indent=2))
    elif len(artifacts) == 1:
        sys.stdout.write(artifacts[0].text)
    else:
        raise UsageError("these are several files" if artifacts else "nothing can be rendered", mend="name --out DIR")


def _all() -> list[str]:
    return list(dict.fromkeys(name for names in TARGETS.values() for name in names))


def _one(prepared: Prepared, name: str) -> tuple[Artifact, ...]:
    """Raises PlanError: not yet, another system's, or what the target itself refuses."""
    from orchestrator import pipeline
    from orchestrator.edge.discover import targets
    from orchestrator.errors import PlanError

    target = targets().get(name)
    system = prepared.host.system
    if name not in TARGETS[system]:
        raise PlanError(f"{name} is not for {system}", mend=f"here: {', '.join(TARGETS[system])}")
    if target is None or not target.implemented:
        raise PlanError(f"not yet: target {name} is known, but this version cannot render it")
    return pipeline.render(pipeline.make_plan(prepared, manager=target.manager), target)


def _every(prepared: Prepared) -> tuple[Artifact, ...]:
    """Raises PlanError where nothing at all can be rendered."""
    from orchestrator.cli.show import render_places
    from orchestrator.errors import PlanError

    found: list[Artifact] = []
    missed: dict[str, PlanError] = {}
    for name in TARGETS[prepared.host.system]:
        try:
            found += _one(prepared, name)
        except PlanError as error:
            missed[name] = error
    if not found:
        raise next(iter(missed.values()))
    for name, why in missed.items():
        details = render_places(why.problems, "stack.yaml")
        print(f"{name}: left out: {why}" + (f"\n{details}" if details else ""), file=sys.stderr)
    return tuple(found)


def _write(artifacts: tuple[Artifact, ...], out: Path, force: bool, as_json: bool) -> None:
    from orchestrator.edge.write import write

    done = write(artifacts, out, out / ".stack-rendered.json", force=force)
    result: Mapping[str, tuple[str, ...]] = {
        "written": done.changed,
        "removed": done.removed,
        "unchanged": done.unchanged,
    }
    if as_json:
        print(json.dumps(result, indent=2))
        return
    for word, names in result.items():
        for name in names:
            print(f"{word} {out / name}")
