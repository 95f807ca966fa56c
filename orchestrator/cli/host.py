from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import FileOption, HostOption, JsonOption

if TYPE_CHECKING:
    from orchestrator.core.host import Host
    from orchestrator.core.weights import Weights


def host(
    file: FileOption = Path("stack.yaml"),
    host_file: HostOption = None,
    as_json: JsonOption = False,
    weights: Annotated[
        bool, typer.Option("--weights", help="Add what inspection found of the weights that stack.yaml names.")
    ] = False,
) -> None:
    """What this machine is: memory, GPUs, docker, and the engines that are installed."""
    from orchestrator.core.host_json import host_to_json

    found, inspected = _found(file, host_file, weights)
    if as_json:
        print(host_to_json(found, inspected), end="")
        return
    for name, text in (*_rows(found), *_weights(inspected or {})):
        print(f"{name:<14}{text}")


def _found(file: Path, host_file: Path | None, weights: bool) -> tuple[Host, Mapping[str, Weights] | None]:
    from orchestrator.edge.host.detect import detect
    from orchestrator.edge.host.host_file import read_host
    from orchestrator.edge.modelfiles.inspect import inspect
    from orchestrator.edge.stackfile.load import load

    if host_file:
        found, known = read_host(host_file)
        return found, known if weights else None
    stack = load(file).stack if weights or file.exists() else None
    return detect(stack.backends if stack else None), inspect(stack) if stack and weights else None


def _rows(found: Host) -> Iterator[tuple[str, str]]:
    from orchestrator.core.engines import PROGRAMS
    from orchestrator.core.units import show_size

    yield "system", f"{found.system} {found.arch}"
    cores = "1 core" if found.cores == 1 else f"{found.cores} cores"
    yield "cpu", f"{found.cpu or 'unknown'}, {cores}" + (f" ({' '.join(found.features)})" if found.features else "")
    yield "memory", show_size(found.memory)
    if found.apple:
        yield "gpu", f"{found.apple.chip}, may wire {show_size(found.apple.wired_limit)}"
    for gpu in found.gpus:
        yield f"gpu {gpu.index}", f"{gpu.name}, {show_size(gpu.memory)}, driver {gpu.driver or 'unknown'} ({gpu.uuid})"
    yield "docker", (found.docker or "-") + (f", compose {found.compose}" if found.compose else "")
    swap = found.llama_swap
    yield "llama-swap", f"{swap.version or 'unknown version'} at {swap.bin} ({swap.found})" if swap else "-"
    for name in PROGRAMS:
        if engine := found.engines.get(name):
            yield name, f"{engine.version or 'unknown version'} at {engine.bin} ({engine.found})"
    if missing := [name for name in PROGRAMS if name not in found.engines]:
        yield "not installed", f"{', '.join(missing)} (stack engine list)"
    for problem in found.problems:
        yield "problem", problem


def _weights(inspected: Mapping[str, Weights]) -> Iterator[tuple[str, str]]:
    from orchestrator.core.units import show_size

    for key, one in inspected.items():
        parts = (one.model_type, one.quantization, show_size(one.size), f"context {one.context}")
        yield "weights", f"{key}: {', '.join(filter(None, parts))}"
