"""cli/progress.py, where stderr is no terminal."""

from __future__ import annotations

import time

import pytest

from orchestrator.cli.progress import waiting


def test_a_line_at_once_or_only_if_it_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    with waiting("loading"):
        assert capsys.readouterr().err == "loading ...\n"
    with waiting("stopping", after=60):
        pass
    with waiting("stopping", after=0.01):
        deadline = time.monotonic() + 10
        while not (said := capsys.readouterr().err) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert said == "stopping ...\n"
