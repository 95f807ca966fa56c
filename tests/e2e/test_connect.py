"""`stack connect`: a client's file, written only once the probe was passed, and read by the client's own rules."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from orchestrator.edge.clients.jsonc import parse
from tests.components import REPOSITORY
from tests.fake_stack import NAME, FakeStack, Make
from tests.homes import Cli

CAPTURED = REPOSITORY / "tests" / "captured" / "clients"
PROBED = {"probe": {"on_up": "quick", "tools": "warn"}}
CLIENTS = ("aider", "claude-code", "codex", "continue", "open-webui", "opencode")


def config(stack: FakeStack, name: str, captured: str) -> Path:
    """A user's own file in the private home."""
    file = stack.cli.home.path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text((CAPTURED / captured).read_text())
    return file


def run(stack: FakeStack, *argv: str) -> tuple[int, Any]:
    done = stack.cli("connect", *argv, "--json")
    return done.returncode, json.loads(done.stdout)


def test_before_the_probe_it_is_refused_and_with_force_shown(fake_stack: Make) -> None:
    stack = fake_stack()
    refused = stack.cli("connect", "opencode", "--write")
    assert (refused.returncode, "tiny is not proven yet" in refused.stderr, "--force" in refused.stderr) == (
        6,
        True,
        True,
    )
    assert stack.cli("up").returncode == 0
    for client in CLIENTS:
        assert stack.cli("connect", client, "--write").returncode == 6
        code, found = run(stack, client, "--force")
        assert (code, found["model"], found["written"], found["backup"]) == (0, "tiny", False, None)
        assert f"127.0.0.1:{stack.port}" in found["settings"]
        assert not Path(found["file"]).exists()


def test_a_failed_probe_is_no_passed_one(fake_stack: Make) -> None:
    stack = fake_stack("--fault", "markup_in_content", top=PROBED)
    assert stack.cli("up").returncode == 0
    done = stack.cli("connect", "opencode", "--write")
    assert (done.returncode, "tiny failed the probe" in done.stderr) == (6, True)
    assert not (stack.cli.home.path / ".config/opencode").exists()


def test_after_the_probe_the_file_is_written_once_with_a_backup(fake_stack: Make) -> None:
    stack = fake_stack(top=PROBED)
    assert stack.cli("up").returncode == 0
    file = config(stack, ".config/opencode/opencode.jsonc", "opencode.jsonc")
    before = file.read_text()
    shown = stack.cli("connect", "opencode")
    assert (shown.returncode, file.read_text()) == (0, before)
    assert "+++" in shown.stdout
    assert "nothing is written yet" in shown.stdout
    assert "sk-work" not in shown.stdout + shown.stderr
    code, found = run(stack, "opencode", "--write")
    assert (code, found["changed"], found["written"]) == (0, True, True)
    assert Path(found["backup"]).read_text() == before
    assert "// my theme" in file.read_text()
    code, again = run(stack, "opencode", "--write")
    assert (code, again["changed"], again["backup"], again["diff"]) == (0, False, None, "")
    assert len(list(file.parent.iterdir())) == 2

    settings = parse(file.read_text()).value
    provider, _, model = settings["model"].partition("/")
    assert settings["provider"]["work"]["options"]["baseURL"] == "https://work.example/v1"
    options = settings["provider"][provider]["options"]
    with openai.OpenAI(base_url=options["baseURL"], api_key="none") as client:
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hello"}])
    assert answer.choices[0].message.content
    assert settings["provider"][provider]["models"][model]["tool_call"] is True


def test_what_was_proven_counts_also_while_the_stack_is_down(fake_stack: Make) -> None:
    stack = fake_stack(top=PROBED)
    assert stack.cli("up").returncode == 0
    assert stack.cli("down").returncode == 0
    code, found = run(stack, "aider", "--write")
    assert (code, yaml.safe_load(Path(found["file"]).read_text())["model"]) == (0, "openai/tiny")


def test_a_key_is_named_and_its_value_never_shown(fake_stack: Make) -> None:
    stack = fake_stack(
        top={"endpoint": {"listen": "127.0.0.1:18484", "keys": {"me": {"env": "MY_KEY"}, "f": {"file": "k"}}}}
    )
    (stack.cli.home.work / "k").write_text("sup3r-s3cret-file")
    file = config(stack, ".codex/config.toml", "config.toml")
    for client, key in ((client, key) for client in ("codex", "claude-code", "opencode") for key in ("me", "f")):
        done = stack.cli("connect", client, "--force", "--write", "--key", key, env={"MY_KEY": "sup3r-s3cret-env"})
        assert done.returncode == 0, done.stderr
        assert "s3cret" not in done.stdout + done.stderr
    folder = stack.cli.home.path
    for written in (file, folder / ".claude/settings.json", folder / ".config/opencode/opencode.json"):
        assert "s3cret" not in written.read_text()
    auth = tomllib.loads(file.read_text())["model_providers"][f"stack-{NAME}"]["auth"]
    assert auth == {"command": "cat", "args": [str(stack.cli.home.work / "k")]}


def test_an_engine_without_the_messages_api_is_refused_with_the_reason(stack_cli: Cli, selftest_model: Path) -> None:
    model = {
        "sources": {"openai": {"url": "http://127.0.0.1:9/v1"}},
        "capabilities": ["chat", "tools"],
        "context": 4096,
    }
    (stack_cli.home.work / "stack.yaml").write_text(json.dumps({"version": 1, "models": {"far": model}}))
    done = stack_cli("connect", "claude-code", "--force")
    assert (done.returncode, "speaks /v1/messages only, and openai, which serves far, has none" in done.stderr) == (
        4,
        True,
    )
    assert stack_cli("connect", "codex", "--force").returncode == 0


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["emacs"], 2, "no client is called emacs"),
        (["codex", "--print", "--write"], 2, "exclude each other"),
        (["codex", "--model", "tinny"], 2, "did you mean tiny?"),
        (["codex", "--key", "x", "--force"], 2, "endpoint.keys has no x"),
    ],
)
def test_bad_input(fake_stack: Make, argv: list[str], code: int, words: str) -> None:
    done = fake_stack().cli("connect", *argv)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr


def test_a_broken_file_is_left_alone(fake_stack: Make) -> None:
    stack = fake_stack()
    file = config(stack, ".codex/config.toml", "config.toml")
    file.write_text("model = ")
    done = stack.cli("connect", "codex", "--force", "--write")
    assert (done.returncode, file.read_text()) == (2, "model = ")
    assert str(file) in done.stderr
    printed = stack.cli("connect", "codex", "--force", "--print")
    assert tomllib.loads(printed.stdout)["model"] == "tiny"
