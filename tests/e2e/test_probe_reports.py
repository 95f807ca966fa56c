"""`stack probe --full`, `--against` and `--save` on the fake engine as a process: reports, even of runs cut short."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.e2e.test_probe_fake import STACK, fake, stack


def test_the_full_tier_writes_all_reports(tmp_path: Path) -> None:
    with fake("--prefill", "0.15") as url:
        words = ("--url", url, "--model", "fake", "--full", "--episodes", "2", "--turns", "24")
        done = stack(*words, "--save", str(tmp_path))
    assert done.returncode == 0
    assert "48 clean turns: at least" in done.stdout
    assert "left out: raw arm: the chat template is not at hand" in done.stdout
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["verdict"], told["turns"], told["cut_short"]) == ("pass", 48, None)
    assert [(one["turns"], one["failed"]) for one in told["episodes"]] == [(24, None), (24, None)]
    suite = ElementTree.fromstring((tmp_path / "junit.xml").read_text())
    assert suite.get("failures") == "0"
    page = (tmp_path / "report.html").read_text()
    assert page.count("<svg") >= 3
    assert "http://" not in page.replace(url, "").replace("http://www.w3.org", "")


def test_two_servers_are_compared_on_the_same_seeds(tmp_path: Path) -> None:
    with fake() as good, fake("--fault", "wrong_call@12") as bad:
        words = ("--url", good, "--model", "fake", "--against", bad, "--turns", "20")
        done = stack(*words, "--json", "--save", str(tmp_path / "ab.html"))
    told = json.loads(done.stdout)
    assert done.returncode == 6
    assert (told["a"]["verdict"], told["b"]["verdict"]) == ("pass", "fail")
    assert told["comparison"]["pairs"] == 8
    assert told["comparison"]["better"] == "A"
    assert "the difference is real" in told["comparison"]["words"]
    assert "the difference is real" in (tmp_path / "ab.html").read_text()


def test_an_interrupted_run_still_writes_its_report(tmp_path: Path) -> None:
    report = tmp_path / "cut.json"
    with fake("--token-delay", "0.01") as url:
        command = [str(STACK), "probe", "--url", url, "--model", "fake", "--full", "--save", str(report)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "free_run 3/" in line:
                    process.send_signal(signal.SIGINT)
                    break
            process.communicate(timeout=30)
    assert process.returncode == 130
    told = json.loads(report.read_text())
    assert told["cut_short"] == "interrupted"
    assert 2 <= told["turns"] < 40


@pytest.mark.parametrize("suffix", [".json", ".html", ".xml"])
def test_no_key_in_a_report(tmp_path: Path, suffix: str) -> None:
    """The server repeats the key that it refuses."""
    report = tmp_path / f"report{suffix}"
    with fake("--key", "right", "--tell-key") as url:
        done = stack(
            *("--url", url, "--model", "fake", "--key-env", "PROBE_KEY", "--save", str(report)),
            env={**os.environ, "PROBE_KEY": "s3cret-of-mine"},
        )
    assert done.returncode == 6
    text = report.read_text()
    assert "s3cret-of-mine" not in text + done.stdout + done.stderr
    assert "[key]" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--turns", "5"), "--turns: at least 20"),
        (("--episodes", "0"), "--episodes: at least 1"),
        (("--save", "report.pdf"), "a report is .json, .xml (JUnit) or .html"),
    ],
)
def test_misuse(words: tuple[str, ...], said: str) -> None:
    with fake() as url:
        done = stack("--url", url, "--model", "fake", "--tier", "quick", *words)
    assert done.returncode == 2
    assert said in done.stderr
