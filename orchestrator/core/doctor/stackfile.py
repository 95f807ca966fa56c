"""The check of stack.yaml itself: it loads, and it can be planned on this machine."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.doctor.facts import Facts
from orchestrator.core.doctor.need import Need
from orchestrator.core.doctor.result import Said, grave, known, ok


def stack_file(facts: Facts, need: Need) -> Iterator[Said]:
    """What `stack check` and `stack plan` would say."""
    troubles = known(facts.troubles)
    for one in troubles:
        yield grave(one.text, one.mend)
    if not troubles and need.stack:
        yield ok(f"{need.stack} can be planned here")
