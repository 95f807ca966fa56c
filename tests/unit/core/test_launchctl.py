"""`launchctl print` in the form that published transcripts of macOS 13 to 26 have. tests/captured/launchctl is written
after them, with names of ours: no Mac was at hand to capture it. launchctl(1) calls the form no interface."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.launchctl import Job, parse

CAPTURED = Path(__file__).parents[2] / "captured" / "launchctl"
CASES = {
    "running": (Job("running", 48630, 1), "running (pid 48630)", ""),
    "never-started": (Job("not running"), "not running", ""),
    "exited": (Job("not running", None, 1, 2), "not running (1 runs, the last exited with 2)", ""),
    "again-after-a-signal": (Job("running", 16090, 2, None, "Terminated: 15"), "running (pid 16090)", ""),
    "crash-loop": (
        Job("spawn scheduled", None, 137, 3),
        "spawn scheduled (137 runs, the last exited with 3)",
        "exited with 3, at start number 137; launchd tries it again every few seconds",
    ),
    "killed-in-a-loop": (
        Job("spawn scheduled", None, 9, None, "Killed: 9"),
        "spawn scheduled (9 runs, the last was ended by Killed: 9)",
        "was ended by Killed: 9, at start number 9; launchd tries it again every few seconds",
    ),
    "no-program": (
        Job("spawn scheduled", None, 1, 78),
        "spawn scheduled (1 runs, the last exited with 78)",
        "exited with 78, at start number 1; launchd tries it again every few seconds",
    ),
    "refused-by-macos": (
        Job("spawn scheduled", None, 2380, None, "", "OS_REASON_CODESIGNING"),
        "spawn scheduled (2380 runs, the last was ended: OS_REASON_CODESIGNING)",
        "was ended: OS_REASON_CODESIGNING, at start number 2380; launchd tries it again every few seconds",
    ),
    "being-started": (Job("xpcproxy", None, 778, None, "Hangup: 1"), None, ""),
}


def test_every_text_is_tried() -> None:
    assert {file.stem for file in CAPTURED.glob("*.txt")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_job(name: str) -> None:
    job, words, hopeless = CASES[name]
    found = parse((CAPTURED / f"{name}.txt").read_text())
    assert found == job
    assert found.hopeless == hopeless
    if words is not None:
        assert found.words == words


def test_a_first_failure_is_no_reason_to_give_up() -> None:
    assert Job("spawn scheduled", None, 4, 1).hopeless == ""
    assert Job("spawn scheduled", None, 5, 1).hopeless


@pytest.mark.parametrize("text", ["", "Could not find service", "a = {\n}\n", "\tstate\n\tpid = 0\n"])
def test_a_form_that_is_not_known_says_nothing(text: str) -> None:
    assert parse(text) == Job()
