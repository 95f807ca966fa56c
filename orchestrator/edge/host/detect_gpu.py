"""NVIDIA GPUs, by nvidia-smi where it is on PATH."""

from __future__ import annotations

import shutil

from orchestrator.core import parse_host
from orchestrator.core.host import Gpu
from orchestrator.edge.host import ask

TIMEOUT = 10.0
"""Seconds. Without its persistence daemon the driver wakes each GPU first, which takes about one."""


class Question:
    """What the GPUs are, asked at once and answered by `gpus`, since the driver may take its time."""

    def __init__(self) -> None:
        self._smi = shutil.which("nvidia-smi")
        query = (f"--query-gpu={parse_host.GPU_QUERY}", "--format=csv,noheader,nounits")
        self._asked = ask.Asked([self._smi, *query]) if self._smi else None

    def gpus(self) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
        """(GPUs, MIG instances in place of GPUs in MIG mode; problems in words). Both empty without nvidia-smi."""
        if self._smi is None or self._asked is None:
            return (), ()
        status, text = self._asked.output(TIMEOUT)
        return _read(self._smi, status, text)


def ask_free() -> str:
    """What nvidia-smi says of free memory now (parse_host.parse_free); "" where it cannot."""
    smi = shutil.which("nvidia-smi")
    argv = [f"--query-gpu={parse_host.FREE_QUERY}", "--format=csv,noheader,nounits"]
    status, text = ask.output([smi, *argv], TIMEOUT) if smi else (1, "")
    return text if status == 0 else ""


def _read(smi: str, status: int, text: str) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
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
