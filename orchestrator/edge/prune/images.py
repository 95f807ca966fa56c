"""Container images: those that carry our label, and those that plans of stacks named whose stack.yaml is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestrator.core.containers import STACK
from orchestrator.core.pruning import Item, Kept
from orchestrator.edge import stacks
from orchestrator.edge.doctor.later import ask
from orchestrator.edge.prune.references import References

LIMIT = 30.0


def find(refs: References) -> Iterator[Item | Kept]:
    """Nothing where docker is not there, or does not answer."""
    labelled = ask("docker", "image", "ls", "--filter", f"label={STACK}", "--format", "{{json .}}", limit=LIMIT)
    if labelled is None:
        return
    if labelled.status != 0:
        yield Kept("image", "all images", f"docker: {labelled.text.strip().splitlines()[-1]}")
        return
    rows = [json.loads(line) for line in labelled.text.splitlines() if line.startswith("{")]
    for name in dict.fromkeys([*map(_name, rows), *_planned()]):
        if file := refs.images.get(name):
            yield Kept("image", name, f"{file} uses it")
        elif stack := refs.running(name):
            yield Kept("image", name, f"{stack} runs with it")
        elif (facts := _inspect(name)) is None:
            continue
        elif containers := _containers(str(facts["Id"])):
            yield Kept("image", name, f"containers use it: {', '.join(containers)}")
        else:
            yield Item("image", name, name, int(facts["Size"]), "no stack.yaml uses it")


def remove(item: Item) -> None:
    """Raises OSError with docker's words. Without force: docker keeps what a container uses."""
    answer = ask("docker", "image", "rm", "--", item.path, limit=120)
    if answer is None or answer.status != 0:
        raise OSError(answer.text.strip() if answer is not None else "docker is gone")


def _name(row: dict[str, Any]) -> str:
    tagged = f"{row['Repository']}:{row['Tag']}"
    return str(row["ID"]) if "<none>" in tagged else tagged


def _planned() -> Iterator[str]:
    for stack in stacks.known():
        if stack.file is not None and not stack.file.exists() and not stack.runs:
            yield from _images(stack.paths.plan)


def _images(plan: Path) -> list[str]:
    try:
        launches = json.loads(plan.read_text())["launches"]
        return [str(how["image"]) for how in (launch["how"] for launch in launches) if how.get("kind") == "container"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []  # no plan that names an image


def _inspect(name: str) -> dict[str, Any] | None:
    """None for an image that is not here."""
    answer = ask("docker", "image", "inspect", "--format", "{{json .}}", "--", name, limit=LIMIT)
    if answer is None or answer.status != 0:
        return None
    found: dict[str, Any] = json.loads(answer.text.splitlines()[0])
    return found


def _containers(image: str) -> list[str]:
    answer = ask("docker", "ps", "--all", "--filter", f"ancestor={image}", "--format", "{{.Names}}", limit=LIMIT)
    return answer.text.split() if answer is not None and answer.status == 0 else []
