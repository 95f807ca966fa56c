"""`from orchestrator.api import Stack`: as a program of a user's, in a private home."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from tests.components import REPOSITORY
from tests.fake_stack import FakeStack, Make
from tests.homes import Cli, end
from tests.names import apart

PAGES = [page for page in ("README.md", "docs/api.md") if "orchestrator.api" in (REPOSITORY / page).read_text()]


def python(cli: Cli, code: str) -> subprocess.CompletedProcess[str]:
    """A program in the home, beside its stack.yaml."""
    script = cli.home.work / "program.py"
    script.write_text(dedent(code))
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=cli.home.work,
        env=cli.home.env | {"PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=240,
    )


def said(stack: FakeStack, code: str) -> Any:
    """What a program says: its last line, as JSON. `stack` is there, and `say`."""
    begin = """\
        import json
        from orchestrator.api import *
        from orchestrator.errors import *
        def say(*what):
            print(json.dumps(what))
        stack = Stack("stack.yaml")
        """
    done = python(stack.cli, dedent(begin) + dedent(code))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def caught(code: str) -> str:
    """That code, and what it raises: class, text, notes."""
    body = indent(dedent(code).strip(), "    ")
    return f"try:\n{body}\nexcept StackError as e:\n    say(type(e).__name__, str(e), getattr(e, '__notes__', []))\n"


@pytest.mark.component("mlx-lm")
@pytest.mark.parametrize("page", PAGES)
def test_the_example_of_the_docs(stack_cli: Cli, free_port: Any, page: str) -> None:
    code = next(c for c in re.findall(r"```python\n(.*?)```", (REPOSITORY / page).read_text(), re.S) if "import" in c)
    stack = {
        "version": 1,
        "name": apart("example"),
        "endpoint": {"listen": f"127.0.0.1:{free_port()}"},
        "models": {"selftest": {"sources": {"mlx-lm": {"path": str(REPOSITORY / "models/selftest")}}}},
    }
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps(stack))
    done = python(stack_cli, code)
    assert done.returncode == 0, done.stderr
    assert "Hello! I am a small self-test model." in done.stdout
    assert "get_weather" in done.stdout
    assert done.stdout.endswith("pass\n")
    assert end(stack_cli.home) == []


def test_up_generate_stream_probe_status_down(fake_stack: Make) -> None:
    stack = fake_stack("--chunk", "token", top={"probe": {"on_up": "quick"}})
    told = said(
        stack,
        """
        heard, turns = [], []
        up = stack.up(lambda event: heard.append((event.kind, event.text)))
        again = stack.up()
        tool = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
        ask = dict(tools=[{"type": "function", "function": tool}], temperature=0)
        whole = stack.generate("What is the weather in Paris?", "tiny", **ask)
        pieces = stack.stream("Say exactly: one two three", max_tokens=20)
        texts = list(pieces)
        called = stack.stream([{"role": "user", "content": "What is the weather in Rome?"}], **ask)
        none = list(called)
        verdict = stack.probe("tiny", "quick", seed=3, on_turn=turns.append)
        status = stack.status()
        plan = stack.plan()
        ended = stack.down(), stack.down(), stack.status().running
        def calls(answer):
            return [(call.name, call.arguments) for call in answer.calls]
        say(heard, up.ready, again.ready, calls(whole), whole.message, texts, pieces.answer.text, none,
            calls(called.answer), called.answer.finish, verdict.verdict, len(turns), status.models[0].tools,
            plan.launches[0].model, ended, stack.endpoint)
        """,
    )
    heard, ready, again, calls, message, texts, whole, none, streamed, finish, verdict, turns, tools, model, *rest = (
        told
    )
    assert {"engine", "turn", "verdict"} <= {kind for kind, _ in heard}
    assert all(text for _, text in heard)
    assert (ready, again, verdict, tools, model) == (True, True, "pass", "verified", "tiny")
    assert calls == [["get_weather", '{"city": "Paris"}']]
    assert message["tool_calls"][0]["function"]["name"] == "get_weather"
    assert (len(texts) > 1, "".join(texts)) == (True, whole)
    assert (none, streamed, finish) == ([], [["get_weather", '{"city": "Rome"}']], "tool_calls")
    assert turns > 20
    assert rest == [[True, False, False], stack.url]


def test_a_block_leaves_what_ran_before_and_ends_what_it_started(fake_stack: Make) -> None:
    stack = fake_stack()
    block = "with stack:\n    first = stack.status().running\nsay(first, stack.status().running)\n"
    assert said(stack, block) == [True, False]
    assert stack.cli("up").returncode == 0
    assert said(stack, block) == [True, True]


def test_a_thread_and_a_running_loop_will_do(fake_stack: Make) -> None:
    told = said(
        fake_stack(),
        """
        import asyncio, threading
        def work():
            with stack:
                found.append(stack.generate("hello", max_tokens=5).finish)
        found = []
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        async def notebook():
            work()
        asyncio.run(notebook())
        say(found, stack.status().running)
        """,
    )
    assert told == [["stop", "stop"], False]


def test_errors_are_ours_and_say_what_to_do(fake_stack: Make) -> None:
    stack = fake_stack("--fault", "silent_drop", top={"probe": {"on_up": "quick"}})
    kind, _, notes = said(stack, caught("stack.generate('hello')"))
    assert (kind, notes) == ("NotRunning", ["Stack.up()"])
    kind, text, notes = said(stack, caught("stack.up()"))
    assert (kind, text) == ("ProbeFailed", "the tool path does not hold")
    assert any("silent_drop (parser)" in note for note in notes)
    tools = "[{'type': 'function', 'function': {'name': 'f', 'parameters': {'type': 'object'}}}]"
    kind, text, _ = said(stack, caught(f"stack.generate('hello', tools={tools})"))
    assert (kind, "silent_drop" in text) == ("ProbeFailed", True)
    for stream in ("generate", "stream"):
        kind, text, _ = said(stack, caught(f"stack.{stream}('hello', 'tyni')"))
        assert (kind, "tyni" in text) == ("UsageError", True)
    kind, text, _ = said(stack, caught("stack.generate('hello', stream=True)"))
    assert (kind, text) == ("UsageError", "stream is not for params")
    assert said(stack, "say(stack.down())") == [True]


def test_a_stream_that_breaks_off_is_an_error(fake_stack: Make) -> None:
    stack = fake_stack("--die-mid-stream", "12")
    assert stack.cli("up").returncode == 0
    kind, text, _ = said(stack, caught("list(stack.stream('Say exactly: ' + 'word ' * 50))"))
    assert (kind, bool(text)) == ("EngineError", True)
    told = said(stack, caught("stack.stream('hello').answer"))
    assert told[1] == "the stream has not ended yet"


def test_an_engine_that_fails_shows_its_log(fake_stack: Make) -> None:
    stack = fake_stack("--exit-at-once")
    kind, text, notes = said(stack, caught("with stack: pass"))
    assert (kind, "exited with 2" in text) == ("EngineError", True)
    assert any("--no-such-flag" in note for note in notes)
    assert stack.cli.home.processes() == []


def test_the_key_of_the_endpoint_is_used(fake_stack: Make) -> None:
    stack = fake_stack()
    stack.top = {"endpoint": {"listen": f"127.0.0.1:{stack.port}", "keys": {"a": {"file": "a.key"}}}}
    stack.write()
    key: Path = stack.cli.home.work / "a.key"
    key.write_text("first\n")
    assert stack.cli("up").returncode == 0
    assert said(stack, "say(stack.generate('hello').finish)") == ["stop"]
    key.write_text("second\n")
    kind, _, notes = said(stack, caught("stack.generate('hello')"))
    assert (kind, notes) == ("UsageError", ["the endpoint's `keys` must be readable here"])
