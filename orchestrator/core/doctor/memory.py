"""Checks of memory as it is now: whether the residents fit beside what runs, and whether the machine swaps."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orchestrator.core.doctor.facts import Facts, Memory
from orchestrator.core.doctor.need import Need
from orchestrator.core.doctor.result import Said, grave, known, ok, warning
from orchestrator.core.units import show_size

KIB, MIB = 2**10, 2**20
WAITING = 10.0
"""Percent of the last minute in which some program waited for memory (PSI)."""
SWAPPED = 8
"""More than an eighth of the memory in swap: weights are likely to be among it."""


def memory_available(facts: Facts, need: Need) -> Iterator[Said]:
    """What the residents reserve must be free when they start (edge/run/embedded.py refuses otherwise)."""
    memory = known(facts.memory)
    wanted = sum(need.start.get(pool, 0) for pool in ("host", "unified"))
    words = f"{show_size(memory.available)} of {show_size(memory.total)} are available now"
    if need.running or wanted <= memory.available:
        yield ok(words)
    else:
        yield grave(f"the residents need {show_size(wanted)}, {words}", "close what uses the memory")


def memory_pressure(facts: Facts, need: Need) -> Iterator[Said]:
    """Swap in use, and how long programs wait for memory. An engine that swaps is slower than none."""
    memory = known(facts.memory)
    used, zram = _swap(memory)
    share = _waiting(memory.texts.get("/proc/pressure/memory", ""))
    level = re.search(r"^kern\.memorystatus_vm_pressure_level: (\d)", memory.texts.get("sysctl", ""), re.MULTILINE)
    mend = "close what uses the memory, or reserve more: budget.host.reserve"
    if zram:
        mend += "; zram keeps swapped pages in the same memory: sudo swapoff /dev/zram0"
    if share >= WAITING:
        yield warning(f"programs waited for memory {share:g}% of the last minute", mend)
    elif level and int(level[1]) > 1:
        yield warning(f"macOS reports memory pressure (level {level[1]} of 4)", mend)
    elif used > memory.total // SWAPPED:
        kind = "zram swap" if zram else "swap"
        yield warning(f"{show_size(used)} are in {kind}, of {show_size(memory.total)} memory", mend)
    else:
        yield ok(f"{show_size(used)} in swap")


def _swap(memory: Memory) -> tuple[int, bool]:
    """(bytes in swap, whether it is zram)."""
    # macOS: `vm.swapusage: total = 2048.00M  used = 1210.25M  free = 837.75M  (encrypted)`
    if hit := re.search(r"^vm\.swapusage: .*used = ([\d.]+)M", memory.texts.get("sysctl", ""), re.MULTILINE):
        return int(float(hit[1]) * MIB), False
    rows = [line.split() for line in memory.texts.get("/proc/swaps", "").splitlines()[1:]]
    used = sum(int(row[3]) * KIB for row in rows if len(row) >= 5)
    return used, any(row[0].startswith("/dev/zram") for row in rows if row)


def _waiting(text: str) -> float:
    """`some avg10=0.00 avg60=12.31 ...` of PSI; 0 where the kernel has none."""
    hit = re.search(r"^some .*avg60=([\d.]+)", text, re.MULTILINE)
    return float(hit[1]) if hit else 0.0
