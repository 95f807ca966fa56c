"""docs/services.md says what the targets do with the values of tests/nasty.py; tests/e2e/test_nasty.py shows that what
they do not refuse arrives."""

from __future__ import annotations

import pytest

from orchestrator.core.targets.compose import TARGET as COMPOSE
from orchestrator.core.targets.launchd import TARGET as LAUNCHD
from orchestrator.core.targets.llama_swap import TARGET as LLAMA_SWAP
from orchestrator.core.targets.quadlet import TARGET as QUADLET
from orchestrator.core.targets.systemd import TARGET as SYSTEMD
from tests import goldens, nasty
from tests.components import REPOSITORY

PAGE = REPOSITORY / "docs" / "services.md"
PROCESSES = (LLAMA_SWAP, SYSTEMD, LAUNCHD)
CONTAINERS = (COMPOSE, QUADLET)


@pytest.mark.golden
def test_the_table_of_nasty_values_is_what_the_targets_do() -> None:
    columns = {target.name: nasty.carried(target) for target in PROCESSES}
    columns |= {target.name: nasty.carried(target, nasty.container) for target in CONTAINERS}
    rows = [("value", *columns), *(("---",) * (len(columns) + 1),)]
    rows += [(name, *(column.cell(name) for column in columns.values())) for name in nasty.VALUES]
    goldens.check_part(PAGE, "values", "".join(f"| {' | '.join(row)} |\n" for row in rows))
    assert all(column.arguments and column.env for column in columns.values())
