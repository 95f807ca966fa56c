from __future__ import annotations

from pathlib import Path

from orchestrator.edge.paths import LONGEST, mac_socket

NAME = "stack-501/0123456789ab.sock"


def test_on_macos_the_control_socket_lies_beside_the_states_whatever_the_environment() -> None:
    states = Path("/Users/somebody.with.a.name/.local/state")
    assert mac_socket(states, NAME) == states / NAME


def test_a_path_too_long_for_a_socket_falls_back() -> None:
    longest = "/" + "x" * (LONGEST - len(NAME) - 3)
    assert mac_socket(Path(longest), NAME) == Path(longest) / NAME
    assert mac_socket(Path(longest + "x"), NAME) == Path("/tmp") / NAME
