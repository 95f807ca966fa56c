"""`stack probe MODEL`: through the daemon, on a lease, straight to the engine."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.fake_stack import FakeStack

Make = Callable[..., FakeStack]


def test_a_clean_tool_path_by_model_and_by_role(fake_stack: Make) -> None:
    stack = fake_stack()
    assert stack.cli("up", timeout=120).returncode == 0
    for name in ("tiny", "default"):
        done = stack.cli("probe", name, "--json", timeout=120)
        verdict = json.loads(done.stdout)
        assert (done.returncode, verdict["model"], verdict["verdict"], verdict["findings"]) == (0, "tiny", "pass", [])
        assert (verdict["turns"], verdict["clean_turns"], verdict["first_failure"]) == (40, 40, None)
    wrong = stack.cli("probe", "other", timeout=120)
    assert wrong.returncode == 5
    assert "there is no model other" in wrong.stderr


def test_a_broken_tool_path_is_shown_with_its_culprit(fake_stack: Make) -> None:
    stack = fake_stack("--fault", "silent_drop", top={"probe": {"on_up": "quick"}})
    assert stack.cli("up", timeout=120).returncode == 6
    done = stack.cli("probe", "tiny", "--tier", "quick", timeout=120)
    assert done.returncode == 6
    assert "tiny: fail (quick tier" in done.stdout
    assert "fails: silent_drop (parser)" in done.stdout
    assert stack.status()["models"][0]["tools"] == "failed"


def test_without_a_daemon_it_says_so(fake_stack: Make) -> None:
    done = fake_stack().cli("probe", "tiny")
    assert done.returncode == 5
    assert "is not running" in done.stderr
