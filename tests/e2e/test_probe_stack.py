"""`stack probe MODEL`: through the daemon, on a lease, straight to the engine."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

from tests.fake_stack import FakeStack
from tests.gateways import eventually

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


def test_an_interrupted_probe_of_the_daemon_reports_what_was_found(fake_stack: Make) -> None:
    stack = fake_stack("--fault", "stop_with_calls", "--token-delay", "0.01")
    assert stack.cli("up", timeout=120).returncode == 0
    probe = stack.cli.start("probe", "tiny", "--full", "--save", "cut.json")
    eventually(lambda: "free_run 9/" in probe.err.read_text())
    probe.process.send_signal(signal.SIGINT)
    assert probe.process.wait(timeout=30) == 130
    told = json.loads((stack.cli.home.work / "cut.json").read_text())
    assert (told["cut_short"], told["verdict"]) == ("interrupted", "degraded")
    assert [(f["code"], f["culprit"]) for f in told["findings"]] == [("stop_with_calls", "server")]
    assert told["findings"][0]["evidence"]["status"] == 200
    assert [(one["arm"], one["failed"]) for one in told["episodes"]] == [("free_run", 1)]
    assert told["turns"] >= 8
