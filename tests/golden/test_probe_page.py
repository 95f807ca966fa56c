"""docs/probe.md lists the codes that the probe knows."""

from __future__ import annotations

import pytest

from orchestrator.core.dialogue.codes import TABLE
from tests import goldens
from tests.components import REPOSITORY

PAGE = REPOSITORY / "docs" / "probe.md"
HEADER = "| code | seen | culprit | severity | mend |\n|---|---|---|---|---|\n"


@pytest.mark.golden
def test_the_codes_are_what_the_code_says() -> None:
    rows = (f"| {c.value} | {r.symptom} | {r.culprit.value} | {r.severity} | {r.mend} |\n" for c, r in TABLE.items())
    goldens.check_part(PAGE, "codes", HEADER + "".join(rows))
