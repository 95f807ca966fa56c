"""How a container ended, in words."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.edge.run.followed import end_words


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"ExitCode": 2}, "exited with 2"),
        ({"ExitCode": 0, "Error": ""}, "exited with 0"),
        ({"ExitCode": 137}, "was killed by signal 9"),
        ({"ExitCode": 137, "OOMKilled": True}, "was killed by signal 9 (out of memory)"),
        ({"ExitCode": 255}, "exited with 255"),
        ({"ExitCode": 128, "Error": "no such file"}, "exited with 128: no such file"),
    ],
)
def test_the_end_of_a_container(state: dict[str, Any], words: str) -> None:
    assert end_words(state) == words
