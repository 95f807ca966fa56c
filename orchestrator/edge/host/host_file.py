"""`--host FILE`: another machine's description (`stack host --json [--weights]`)."""

from __future__ import annotations

from pathlib import Path

from orchestrator.core.host import Host
from orchestrator.core.host_json import host_from_json
from orchestrator.core.weights import Weights
from orchestrator.errors import PlanError


def read_host(file: Path) -> tuple[Host, dict[str, Weights]]:
    """(host, weights by key). Raises PlanError: cannot be read, no JSON, wrong or unknown keys."""
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    return host_from_json(text, str(file))
