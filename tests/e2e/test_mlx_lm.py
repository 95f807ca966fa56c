"""The straight line on a real mlx-lm, through both supervisors."""

from __future__ import annotations

import pytest

from tests.components import REPOSITORY
from tests.line import Line, lines

pytestmark = pytest.mark.component("mlx-lm")
line = lines("mlx-lm", REPOSITORY / "models" / "selftest")


def test_the_official_client_forty_clean_turns_and_kill_9(line: Line) -> None:
    line.openai_client()
    line.forty_clean_turns()
    line.kill_9_of_the_engine_is_survived()
