"""NVIDIA GPUs, by nvidia-smi where it is on PATH."""

from __future__ import annotations

import shutil

from orchestrator.core import parse_host
from orchestrator.core.host import Gpu
from orchestrator.edge import ask

TIMEOUT = 10.0
"""Seconds. Without its persistence daemon the driver wakes each GPU first, which takes about one."""


def gpus() -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """(GPUs, MIG instances in place of GPUs in MIG mode; problems in words). Both empty without nvidia-smi."""
    smi = shutil.which("nvidia-smi")
    if not smi:
        return (), ()
    query = [smi, f"--query-gpu={parse_host.GPU_QUERY}", "--format=csv,noheader,nounits"]
    status, text = ask.output(query, TIMEOUT)
    if status != 0:
        said = next(filter(None, map(str.strip, text.splitlines())), f"exit {status}")
        return (), (f"nvidia-smi: {said}",)
    found, problems = parse_host.parse_gpus(text)
    if any(gpu.mig for gpu in found):
        status, listing = ask.output([smi, "-L"], TIMEOUT)
        if status != 0:
            problems += (f"nvidia-smi -L: {listing.strip()}",)
        found = parse_host.parse_mig(listing if status == 0 else "", found)
    return found, problems
