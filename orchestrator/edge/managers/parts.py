"""What a stack is made of, by the last part of a unit's name."""

from __future__ import annotations

from orchestrator.core.plan import slug
from orchestrator.edge.run import identity

GATEWAY, SWAP = "gateway", "llama-swap"


def part(model: str | None) -> str:
    """model: an id, identity.SWAP (llama-swap itself), None = the gateway."""
    return GATEWAY if model is None else SWAP if model == identity.SWAP else slug(model)
