"""What each client's file looks like: by its own schema where it has one, and beside what its user has there."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from orchestrator.core.client import Client, Connection, Offer
from orchestrator.edge.clients import apply
from orchestrator.edge.clients.found import all_clients, file_of
from orchestrator.edge.clients.jsonc import parse

CAPTURED = Path(__file__).parents[2] / "captured" / "clients"
CLIENTS = all_clients()
FILES = {
    "aider": "aider.conf.yml",
    "claude-code": "settings.json",
    "codex": "config.toml",
    "continue": "config.yaml",
    "opencode": "opencode.jsonc",
}
"""client -> a file of a user, made for this test; Open WebUI has none."""
KEYS: tuple[Any, ...] = (None, ("env", "STACK_KEY"), ("file", "/home/u/it's key"))
MODELS = (Offer("qwen3:30b", 32768, None, tools=True), Offer("org/small", 8192, 1024, tools=False, vision=True))


def connection(key: Any = None, models: tuple[Offer, ...] = MODELS) -> Connection:
    return Connection("stack-t", "http://127.0.0.1:8484/v1", key, models)


def read(client: Client, text: str) -> Any:
    kind = client.settings(connection()).format
    if kind == "env":
        return dict(line.split("=", 1) for line in text.splitlines())
    return {"toml": tomllib.loads, "yaml": yaml.safe_load, "json": lambda t: parse(t).value}[kind](text)


def test_every_client_has_its_file_here() -> None:
    assert set(CLIENTS) == {*FILES, "open-webui"}


@pytest.mark.parametrize("key", KEYS, ids=["no key", "variable", "file"])
@pytest.mark.parametrize("name", ["codex", "opencode", "continue"])
def test_it_fits_the_clients_own_schema(name: str, key: Any) -> None:
    schema = json.loads((CAPTURED / f"{name}.schema.json").read_text())
    client = CLIENTS[name]
    alone = read(client, apply.alone(client.settings(connection(key))))
    jsonschema.Draft7Validator(schema).validate(alone)
    broken = json.loads(
        json.dumps(alone).replace("base_url", "base_ulr").replace("limit", "lim").replace("apiBase", "b")
    )
    with pytest.raises(jsonschema.ValidationError):  # the schema is no mere formality
        jsonschema.Draft7Validator(schema).validate(broken)


@pytest.mark.parametrize("key", KEYS, ids=["no key", "variable", "file"])
@pytest.mark.parametrize("name", FILES)
def test_all_that_is_the_users_stays_and_a_second_time_changes_nothing(name: str, key: Any, tmp_path: Path) -> None:
    client, file = CLIENTS[name], tmp_path / FILES[name]
    text = (CAPTURED / FILES[name]).read_text()
    file.write_text(text)
    made = apply.change(file, client.settings(connection(key)))
    file.write_text(made.after)
    assert apply.change(file, client.settings(connection(key))).needed is False
    before, after = read(client, text), read(client, made.after)
    ours = {"model", "model_provider", "model_providers", "provider", "env", "models", "openai-api-key"}
    assert {k: v for k, v in before.items() if k not in ours} == {k: after.get(k) for k in before if k not in ours}
    for table in ("model_providers", "provider"):
        assert before.get(table, {}).items() <= after.get(table, {}).items()
    for comment in [line.partition("#")[2] for line in text.splitlines() if "#" in line]:
        assert comment in made.after
    assert "sk-" not in made.diff()


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_a_model_that_is_gone_goes_from_the_file(name: str, tmp_path: Path) -> None:
    client, file = CLIENTS[name], tmp_path / "file"
    file.write_text(apply.change(file, client.settings(connection())).after)
    changed = apply.change(file, client.settings(connection(models=MODELS[:1]))).after
    assert changed == apply.alone(client.settings(connection(models=MODELS[:1])))
    assert "org/small" not in changed


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_from_no_key_to_a_key_and_back(name: str, tmp_path: Path) -> None:
    client, file = CLIENTS[name], tmp_path / "file"
    for key in (*KEYS, *reversed(KEYS)):
        made = apply.change(file, client.settings(connection(key)))
        file.write_text(made.after)
        found = read(client, made.after)
        alone = read(client, apply.alone(client.settings(connection(key))))
        found.pop("apiKeyHelper", None)  # without a key ANTHROPIC_AUTH_TOKEN wins over a helper that may be the user's
        alone.pop("apiKeyHelper", None)
        assert found == alone


def test_keys_are_named_and_never_written() -> None:
    texts = {name: apply.alone(client.settings(connection(("env", "STACK_KEY")))) for name, client in CLIENTS.items()}
    assert tomllib.loads(texts["codex"])["model_providers"]["stack-t"]["env_key"] == "STACK_KEY"
    assert json.loads(texts["claude-code"])["apiKeyHelper"] == "printenv STACK_KEY"
    assert json.loads(texts["opencode"])["provider"]["stack-t"]["options"]["apiKey"] == "{env:STACK_KEY}"
    assert yaml.safe_load(texts["continue"])["models"][0]["apiKey"] == "${{ secrets.STACK_KEY }}"
    assert 'OPENAI_API_KEYS="${STACK_KEY}"' in texts["open-webui"]
    assert "key" not in texts["aider"]
    notes = CLIENTS["aider"].settings(connection(("env", "STACK_KEY"))).notes
    assert notes == ('export OPENAI_API_KEY="${STACK_KEY}"',)


def test_claude_code_takes_the_root_and_every_tier() -> None:
    env = json.loads(apply.alone(CLIENTS["claude-code"].settings(connection())))["env"]
    assert env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8484"
    assert {value for key, value in env.items() if key.endswith("MODEL")} == {"qwen3:30b"}
    assert (env["CLAUDE_CODE_MAX_OUTPUT_TOKENS"], env["ANTHROPIC_AUTH_TOKEN"]) == ("8192", "unused")


def test_where_the_files_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("CODEX_HOME", "CLAUDE_CONFIG_DIR", "CONTINUE_GLOBAL_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    found = {name: str(file_of(client)).replace(str(tmp_path), "~") for name, client in CLIENTS.items()}
    assert found == {
        "aider": "~/.aider.conf.yml",
        "claude-code": "~/.claude/settings.json",
        "codex": "~/.codex/config.toml",
        "continue": "~/.continue/config.yaml",
        "open-webui": "open-webui.env",
        "opencode": "~/.config/opencode/opencode.json",
    }
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "c"))
    assert file_of(CLIENTS["codex"]) == tmp_path / "c/config.toml"
    comments = tmp_path / ".config/opencode/opencode.jsonc"
    comments.parent.mkdir(parents=True)
    comments.touch()
    assert file_of(CLIENTS["opencode"]) == comments
