"""Facts and needs as JSON and back: `stack doctor --facts`, and the captured cases of the tests."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from orchestrator.core.doctor.facts import Facts
from orchestrator.core.doctor.need import Need

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@cache
def _adapters() -> tuple[TypeAdapter[Facts], TypeAdapter[Need]]:
    from pydantic import TypeAdapter

    return TypeAdapter(Facts), TypeAdapter(Need)


def to_json(facts: Facts, need: Need) -> str:
    """{"facts": ..., "need": ...}; what has its default is left out."""
    of_facts, of_need = _adapters()
    value = {
        "facts": of_facts.dump_python(facts, mode="json", exclude_defaults=True),
        "need": of_need.dump_python(need, mode="json", exclude_defaults=True),
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def from_json(value: Any) -> tuple[Facts, Need]:
    """Raises pydantic's ValidationError for facts that have another shape."""
    of_facts, of_need = _adapters()
    return of_facts.validate_python(value.get("facts", {})), of_need.validate_python(value.get("need", {}))
