"""A plan as JSON and back, exactly. The same plan gives the same bytes (DESIGN.md, principle 10)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from orchestrator.core.plan import Plan

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@cache
def _adapter() -> TypeAdapter[Plan]:
    from pydantic import TypeAdapter

    return TypeAdapter(Plan)


def plan_to_json(plan: Plan) -> str:
    """Two blanks, a newline at the end, mappings in their own order, which means something (the file's).

    Holds names of secrets, never their values.
    """
    return _adapter().dump_json(plan, indent=2, by_alias=True, warnings="error").decode() + "\n"


def plan_from_json(text: str) -> Plan:
    """Raises pydantic's ValidationError when the text is no plan of this version."""
    return _adapter().validate_json(text)
