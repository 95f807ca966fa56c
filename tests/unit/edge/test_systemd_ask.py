"""What `systemctl --user show` of systemd 252 prints, captured, and what we make of it."""

from __future__ import annotations

import pytest

from orchestrator.edge.managers.systemd_ask import State, parse

TOLD = """\
Id=stack-t-gateway.service
LoadState=loaded
ActiveState=active
SubState=running
Result=success
ExecMainCode=0
ExecMainStatus=0
NRestarts=0

Id=stack-t.target
LoadState=loaded
ActiveState=inactive
SubState=dead

Id=nothing.service
LoadState=not-found
ActiveState=inactive
SubState=dead
Result=success
ExecMainCode=0
ExecMainStatus=0
NRestarts=0
"""


def test_several_units_are_told_apart() -> None:
    gateway, target, nothing = parse(TOLD)
    assert (gateway.up, gateway.loaded, gateway.words, gateway.given_up) == (True, True, "active (running)", "")
    assert (target.up, target.loaded, target.words) == (False, True, "inactive (dead)")
    assert (nothing.up, nothing.loaded) == (False, False)


@pytest.mark.parametrize(
    ("active", "result", "code", "status", "words"),
    [
        ("failed", "exit-code", 1, 2, "exited with 2, also after 4 restarts: systemd has given it up"),
        ("failed", "signal", 2, 9, "was killed by signal 9, also after 4 restarts: systemd has given it up"),
        ("failed", "start-limit-hit", 0, 0, "start-limit-hit, also after 4 restarts: systemd has given it up"),
        ("failed", "timeout", 2, 9, "did not start or stop in time, also after 4 restarts: systemd has given it up"),
        ("failed", "oom-kill", 2, 9, "was killed for want of memory, also after 4 restarts: systemd has given it up"),
        ("activating", "exit-code", 1, 2, ""),
        ("inactive", "success", 1, 0, "was stopped by hand"),
    ],
)
def test_why_a_unit_was_given_up(active: str, result: str, code: int, status: int, words: str) -> None:
    state = State(loaded=True, active=active, sub="x", result=result, code=code, status=status, restarts=4)
    assert state.given_up == words


def test_one_that_is_to_be_tried_again_counts_as_up() -> None:
    never = State(loaded=True, active="failed", sub="x", result="exit-code", code=1, status=203)
    assert never.given_up == "exited with 203: systemd has given it up"
    assert State(loaded=True, active="activating", sub="auto-restart", result="exit-code", code=1, status=2).up
