"""The three styles of call ids that clients and engines use, for histories that we write ourselves."""

from __future__ import annotations

from orchestrator.core.dialogue.ledger import MakeId


def openai(ordinal: int, name: str) -> str:
    return f"call_{ordinal:04d}ProbeProbeProbeProbe"


def mistral(ordinal: int, name: str) -> str:
    """Mistral's templates want nine letters and digits."""
    return f"probe{ordinal:04d}"


def kimi(ordinal: int, name: str) -> str:
    return f"functions.{name}:{ordinal}"


STYLES: dict[str, MakeId] = {"openai": openai, "mistral": mistral, "kimi": kimi}


def order(wire: str) -> list[str]:
    """All styles, the template's own first."""
    own = "mistral" if "[TOOL_CALLS]" in wire else "kimi" if "<|tool_calls_section_begin|>" in wire else "openai"
    return sorted(STYLES, key=lambda name: name != own)
