"""The straight line on a real llama-server, through both supervisors."""

from __future__ import annotations

import pytest

from tests.components import REPOSITORY
from tests.line import Line, lines

pytestmark = pytest.mark.component("llama-server")
line = lines("llama-cpp", REPOSITORY / "models" / "selftest/selftest.gguf")


def test_the_official_client_forty_clean_turns_and_kill_9(line: Line) -> None:
    line.openai_client()
    line.forty_clean_turns()
    line.kill_9_of_the_engine_is_survived()


def test_the_anthropic_client_is_passed_through(line: Line) -> None:
    line.anthropic_client()
