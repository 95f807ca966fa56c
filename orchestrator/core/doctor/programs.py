"""Checks of what is installed: engines against what stack.yaml pins and what was tested, and llama-swap."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.doctor.facts import Facts
from orchestrator.core.doctor.need import Need
from orchestrator.core.doctor.result import Said, grave, known, ok, warning
from orchestrator.core.engines import LLAMA_SWAP, PROGRAMS
from orchestrator.core.swap_versions import OLDEST, UNLOAD_TIMEOUT, known_version


def engine_versions(facts: Facts, need: Need) -> Iterator[Said]:
    """Each engine that the stack uses, or that is installed: its version, the pinned and the tested one."""
    host = known(facts.host)
    for name in dict.fromkeys((*need.engines, *host.engines)):
        engine, pin = host.engines.get(name), need.engines.get(name, "")
        tested, install = facts.tested.get(name, ""), PROGRAMS[name].install.get(host.system, "")
        if engine is None:
            asked = f", {pin} is asked for" if pin else ""
            yield warning(f"{name} is not installed{asked}", install)
        elif pin and pin != engine.version:
            text = f"{name} {engine.version or 'of unknown version'} is installed ({engine.bin}), {pin} is asked for"
            yield warning(text, f"install {pin}, or change engine.version")
        elif name in need.engines and not pin and _recipe(install) and tested not in ("", engine.version):
            text = f"{name} {engine.version or 'of unknown version'} ({engine.bin}) is not the one we tested, {tested}"
            yield warning(text, f"{install}, pin engine.version to keep yours, or prove it: stack probe MODEL")
        else:
            yield ok(f"{name} {engine.version or 'of unknown version'} at {engine.bin}")


def _recipe(install: str) -> bool:
    """Whether the tested version can be had by a command of ours; others come in any version."""
    return install.startswith("stack engine install")


def llama_swap(facts: Facts, need: Need) -> Iterator[Said]:
    """llama-swap, where it is the supervisor or installed."""
    host = known(facts.host)
    needed = need.supervisor == "llama-swap"
    if host.llama_swap is None:
        if needed:
            yield grave("llama-swap is the supervisor and not installed", LLAMA_SWAP.install.get(host.system, ""))
        return
    version = known_version(host.llama_swap)
    update = LLAMA_SWAP.install.get(host.system, "")
    if version is None:
        yield ok(f"llama-swap of unknown version at {host.llama_swap.bin}")
    elif version < OLDEST and needed:
        yield warning(f"llama-swap v{version} runs one model at a time, v{OLDEST} was the first that can more", update)
    elif version < UNLOAD_TIMEOUT and needed:
        yield warning(f"llama-swap v{version} kills an engine that has not stopped after 10 s", update)
    else:
        yield ok(f"llama-swap v{version}")
