"""Words of a command that are paths of the file's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.edge.stackfile.located import located
from tests.stack_text import read, source


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("./ggml.bin", "/w/ggml.bin"),
        ("../x/y", "/x/y"),
        ("--model=./ggml.bin", "--model=/w/ggml.bin"),
        ("-m=../a", "-m=/a"),
        ("~/x", "HOME/x"),
        ("--host=127.0.0.1", "--host=127.0.0.1"),
        ("ggml.bin", "ggml.bin"),
        ("/abs/./x", "/abs/./x"),
        ("a ./b", "a ./b"),
        ("key=./x", "key=./x"),
        (".", "."),
        ("--port=${PORT}", "--port=${PORT}"),
    ],
)
def test_relative_words(written: str, found: str) -> None:
    stack = located(read(source("command", f"cmd: [srv, '{written}'], stop: \"./end '{written}'\"")), Path("/w"))
    (_, _, made) = stack.models["a"].ordered_sources()[0]
    wanted = found.replace("HOME", str(Path.home()))
    assert made.cmd == ("srv", wanted)
    assert made.stop == ("/w/end", wanted)
