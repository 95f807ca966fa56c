"""The probe over real sockets: `stack probe --url` against the fake engine, healthy, broken and hostile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.dialogue.setup import Parameters
from orchestrator.edge.probe import runner as probing
from orchestrator.errors import EngineError, UsageError
from tests.components import REPOSITORY

STACK = Path(sys.executable).parent / "stack"
ENGINE = REPOSITORY / "tests" / "fakes" / "engine.py"


@contextlib.contextmanager
def fake(*options: str) -> Iterator[str]:
    """The API root of a running fake engine."""
    command = [sys.executable, str(ENGINE), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found
        try:
            yield f"{found[0]}/v1"
        finally:
            process.kill()
            process.communicate()


def stack(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(STACK), "probe", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **(env or {})})


def ask(url: str, tier: str = "quick", **more: Any) -> Any:
    """The verdict, by the function that daemon and CLI call."""
    return asyncio.run(probing.probe(probing.Target(url, "fake"), tier, **more))


def test_the_contract_of_json() -> None:
    with fake("--chunk", "char") as url:
        done = stack("--url", url, "--model", "fake", "--json")
    verdict = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"model", "verdict", "turns", "clean_turns", "first_failure", "findings"} <= verdict.keys()
    assert (verdict["model"], verdict["verdict"], verdict["findings"]) == ("fake", "pass", [])
    assert (verdict["turns"], verdict["clean_turns"], verdict["first_failure"]) == (40, 40, None)


def test_people_see_a_line_per_turn_and_the_reason() -> None:
    with fake("--fault", "silent_drop") as url:
        done = stack("--url", url, "--tier", "quick", "fake")
    assert done.returncode == 6
    assert "fake: fail (quick tier" in done.stdout
    assert "fails: silent_drop (parser)" in done.stdout
    assert re.search(r"free_run_8 1/8 +stream BAD", done.stderr)


def test_degraded_is_a_warning() -> None:
    with fake("--fault", "stop_with_calls") as url:
        done = stack("--url", url, "--model", "fake", "--tier", "quick", "--json")
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (0, "degraded")
    assert done.stderr == "warning: the tool path of fake is degraded\n"


def test_a_key_by_environment_or_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("s3cret\n")
    with fake("--key", "s3cret") as url:
        words = ("--url", url, "--model", "fake", "--tier", "quick", "--json")
        by_file = stack(*words, "--key-file", str(secret))
        by_env = stack(*words, "--key-env", "PROBE_KEY", env={"PROBE_KEY": "s3cret"})
        wrong = stack(*words, "--key-env", "PROBE_KEY", env={"PROBE_KEY": "other"})
    assert (by_file.returncode, by_env.returncode, wrong.returncode) == (0, 0, 6)
    (found,) = json.loads(wrong.stdout)["findings"]
    assert (found["code"], found["culprit"]) == ("http_error", "server")
    assert "401" in found["text"]
    for done in (by_file, by_env, wrong):
        assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ((), 2, "name a model"),
        (("m", "--model", "n", "--url", "http://127.0.0.1:1/v1"), 2, "named twice"),
        (("m", "--key-env", "X"), 2, "go with --url"),
        (("m", "--url", "127.0.0.1:8000"), 2, "is not a URL"),
        (("m", "--url", "http://127.0.0.1:1/v1"), 5, "nothing listens at http://127.0.0.1:1/v1"),
    ],
)
def test_misuse_says_what_is_wrong(words: tuple[str, ...], code: int, text: str) -> None:
    done = stack(*words)
    assert done.returncode == code
    assert text in done.stderr


FAULTS = ("call_resent", "history_poisoning", "loop", "id_rejected", "connection_lost", "half_event", "reply_too_large")


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_over_the_wire(fault: str) -> None:
    with fake("--fault", fault) as url:
        assert ask(url).findings[0].code == fault


def test_a_server_that_hangs_ends_by_the_deadline_of_a_request() -> None:
    with fake("--hang") as url:
        verdict = ask(url, parameters=Parameters(request_seconds=0.3))
    assert [(f.code, f.culprit) for f in verdict.findings] == [("deadline", "server")]


def test_the_budget_ends_it_with_what_is_known() -> None:
    with fake("--hang") as url, pytest.raises(probing.BudgetExceeded) as caught:
        ask(url, deadline=0.3)
    assert isinstance(caught.value, TimeoutError)
    assert (caught.value.partial.turns, caught.value.partial.findings) == (0, ())


def test_a_server_that_dies_in_mid_stream() -> None:
    with fake("--die-mid-stream", "40") as url:
        verdict = ask(url)
    assert verdict.verdict == "fail"
    assert {f.code for f in verdict.findings} == {"connection_lost"}


def test_a_gigabyte_stays_bounded() -> None:
    tracemalloc.start()
    try:
        with fake("--fault", "reply_too_large") as url:
            ask(url)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_the_gateway_is_blamed_for_what_only_it_spoils() -> None:
    with fake() as url:
        assert asyncio.run(probing.control_turn(url, "fake")) == ()
    with fake("--fault", "double_encoded") as url:
        (found, *_) = asyncio.run(probing.control_turn(url, "fake"))
    assert (found.code, found.culprit) == ("double_encoded", "gateway")


def test_tiers_and_urls_that_do_not_exist() -> None:
    with pytest.raises(UsageError, match="there is no tier 'huge'"):
        ask("http://127.0.0.1:1/v1", "huge")
    with pytest.raises(EngineError, match="nothing listens"):
        probing.reach("http://127.0.0.1:1")
    with pytest.raises(UsageError, match="is not a URL"):
        probing.reach("http://127.0.0.1:99999/v1")


def test_parameters_beside_the_weights(tmp_path: Path) -> None:
    assert probing.read_parameters(tmp_path) == Parameters()
    (tmp_path / "probe.json").write_text('{"every": 4, "max_tokens": 200}')
    assert probing.read_parameters(tmp_path) == Parameters(every=4, max_tokens=200)
    for text in ("[]", "{", '{"every": "often"}'):
        (tmp_path / "probe.json").write_text(text)
        with pytest.raises(UsageError, match=r"probe\.json"):
            probing.read_parameters(tmp_path)
