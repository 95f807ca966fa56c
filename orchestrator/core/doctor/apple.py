"""Checks of Apple Silicon: what the GPU may wire, and the Metal compiler."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.doctor.facts import Facts
from orchestrator.core.doctor.need import Need
from orchestrator.core.doctor.result import Said, grave, known, ok, warning
from orchestrator.core.units import show_size

MIB, GIB = 2**20, 2**30
LEFT = 4 * GIB
"""Less than this beside the wired limit, and macOS itself begins to swap."""


def wired_limit(facts: Facts, need: Need) -> Iterator[Said]:
    """`iogpu.wired_limit_mb` against what the plan wants in unified memory."""
    host = known(facts.host)
    if host.apple is None:
        return
    limit, wanted = host.apple.wired_limit, need.memory.get("unified", 0)
    words = f"the GPU may wire {show_size(limit)} of {show_size(host.memory)}"
    if wanted + need.reserve.get("unified", 0) > limit:
        # without `budget.host.reserve` the plan keeps a 16th of the limit
        least = max(wanted + need.reserve.get("unified", 0), wanted * 16 // 15 + MIB)
        text = f"the stack needs {show_size(wanted)} of unified memory, {words}"
        if least <= host.memory - LEFT:
            yield grave(text, f"sudo sysctl iogpu.wired_limit_mb={least // MIB + 1} (until the next restart)")
        else:
            yield grave(text, "smaller weights, a shorter context or fewer residents: `stack plan` has the arithmetic")
    elif limit > host.memory - LEFT:
        text = f"{words}, which leaves {show_size(host.memory - limit)} to macOS"
        yield warning(text, "sudo sysctl iogpu.wired_limit_mb=0 gives back its own limit")
    else:
        yield ok(words)


def metal_compiler(facts: Facts, need: Need) -> Iterator[Said]:
    """`xcrun metal`, which since Xcode 26 needs the Metal toolchain, a download of its own.

    The wheels of mlx bring their kernels ready and Homebrew's llama.cpp has them compiled by the Metal framework, which
    every Mac has: only an engine of the user's own may need the compiler, when it is built.
    """
    if known(facts.host).apple is None:
        return
    answer = known(facts.metal)
    if answer is not None and answer.status == 0:
        yield ok(answer.text.strip().splitlines()[0])
        return
    lacks = "Metal toolchain" if answer is not None and "Metal Toolchain" in answer.text else "Metal compiler"
    mend = "xcodebuild -downloadComponent MetalToolchain"
    if lacks == "Metal compiler":
        mend = "install Xcode, then sudo xcode-select -s /Applications/Xcode.app (the command line tools have none)"
    if need.own_builds:
        yield warning(f"there is no {lacks} to build the engine of {', '.join(need.own_builds)} with", mend)
    else:
        yield ok(f"there is no {lacks}, and no engine here needs one")
