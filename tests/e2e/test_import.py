"""`stack import llama-swap`: against the real llama-swap, and up to a stack that answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
import yaml

from orchestrator.core.imports.macros import Macros
from tests.components import REPOSITORY
from tests.homes import Cli

CAPTURED = REPOSITORY / "tests" / "captured" / "imports"
ENV = {"MODELS_DIR": "/srv/models", "SWAP_KEY_1": "k", "CLOUD_KEY": "k"}
NAMES = {
    "qwen3-coder:30b": ["coder", "gpt-4o"],
    "embedder": [],
    "vision": [],
    "hub": [],
    "vllm-native": [],
    "vllm-docker": [],
    "mlx": [],
    "mlx-batched": [],
    "whisper": [],
    "elsewhere": [],
}
"""Models of tests/captured/imports/macros.yaml -> their aliases."""


@pytest.fixture
def config(stack_cli: Cli) -> Path:
    return Path(shutil.copy(CAPTURED / "macros.yaml", stack_cli.home.work))


def test_a_file_full_of_macros_becomes_a_stack_yaml_that_checks(stack_cli: Cli, config: Path) -> None:
    done = stack_cli("import", "llama-swap", config.name, "--out", "stack.yaml", env=ENV)
    assert done.returncode == 0, done.stderr
    text = (stack_cli.home.work / "stack.yaml").read_text()
    models = yaml.safe_load(text)["models"]
    for name, aliases in NAMES.items():
        assert set(aliases) <= set(models[name].get("aliases", ()))
        line = 1 + next(i for i, old in enumerate(config.read_text().splitlines()) if old == f"  {name}:")
        assert f"    # from macros.yaml:{line}: models.{name}" in text.splitlines()
    assert "not said: macros.yaml:55: models.vllm-native.cmd: --gpu-memory-utilization 0.9" in done.stderr
    checked = stack_cli("check")
    assert (checked.returncode, "ok (12 models)" in checked.stdout) == (0, True), checked.stderr


def test_nothing_is_overwritten_without_force(stack_cli: Cli, config: Path) -> None:
    out = stack_cli.home.work / "stack.yaml"
    out.write_text("mine")
    done = stack_cli("import", "llama-swap", config.name, "--out", "stack.yaml", env=ENV)
    assert (done.returncode, out.read_text(), "--force" in done.stderr) == (2, "mine", True)
    assert stack_cli("import", "llama-swap", config.name, "--out", "stack.yaml", "--force", env=ENV).returncode == 0
    assert "qwen3-coder:30b" in out.read_text()


def test_json(stack_cli: Cli, config: Path) -> None:
    done = stack_cli("--json", "import", "llama-swap", config.name, env=ENV)
    found = json.loads(done.stdout)
    assert (found["file"], found["models"][:2]) == (None, ["qwen3-coder:30b", "embedder"])
    assert (set(yaml.safe_load(found["text"])["models"]), done.stderr) == (set(found["models"]), "")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (None, 2, "config.yaml: cannot be read: No such file or directory"),
        ("", 3, "must be a mapping"),
        ("models: {}\n", 3, "config.yaml:1: models: has no models"),
        ("a: [\n", 3, "config.yaml:2: is not valid YAML"),
        ("macros:\n  a: x${a}\nmodels: {m: {cmd: c}}\n", 3, "config.yaml:2: macros.a: the macro holds itself"),
        ("models:\n  m:\n    cmd: ${x}\n", 3, "config.yaml:3: models.m.cmd: the macro ${x} is unknown here"),
        ("models:\n  m:\n    cmd: ${env.NOT_SET_HERE} x\n", 3, "config.yaml:3: models.m.cmd: the environment variable"),
        ("models:\n  m: {cmd: a}\n  m: {cmd: b}\n", 3, "config.yaml:3: models.m: is written twice"),
    ],
)
def test_bad_input(stack_cli: Cli, text: str | None, code: int, words: str) -> None:
    if text is not None:
        (stack_cli.home.work / "config.yaml").write_text(text)
    done = stack_cli("import", "llama-swap", "config.yaml", "--out", "stack.yaml")
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert not (stack_cli.home.work / "stack.yaml").exists()


MACROS: dict[str, Any] = {
    "a": "one",
    "b": "${a}-two",
    "n": 7,
    "f": 0.25,
    "yes": True,
    "late": "${n}",
    "m": "<${MODEL_ID}>",
}
USES = {"text": "${b} ${a}", "n": "${n}", "f": "${f}", "yes": "${yes}", "in": "x${n}${f}", "late": "${late}"}
USES |= {"m": "${m}", "list": ["${n}", {"deep": "${b}"}], "env": "${env.MODELS_DIR}/x"}  # type: ignore[dict-item]


@pytest.fixture
def swap(
    require: Callable[[str], Path], free_port: Callable[[], int], tmp_path: Path
) -> Iterator[Callable[[Any], str]]:
    """Starts the real llama-swap on a config; its URL once it answers, ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(config: Any) -> str:
        file, port = tmp_path / "swap.yaml", free_port()
        file.write_text(yaml.safe_dump(config, sort_keys=False))
        argv = [str(require("llama-swap")), "-config", str(file), "-listen", f"127.0.0.1:{port}"]
        started.append(subprocess.Popen(argv, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        url, end = f"http://127.0.0.1:{port}", time.monotonic() + 20
        while time.monotonic() < end:
            try:
                assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
                return url
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("llama-swap does not answer")

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


@pytest.mark.component("llama-swap")
def test_macros_mean_what_the_real_llama_swap_makes_of_them(swap: Callable[[Any], str]) -> None:
    model = {"cmd": "server --port ${PORT}", "metadata": USES}
    config = {"macros": MACROS, "models": {"x": model, "y": model | {"macros": {"a": "own", "n": 8}}}}
    listed = httpx.get(f"{swap(config)}/v1/models", trust_env=False).json()["data"]
    theirs = {row["id"]: row["meta"]["llamaswap"] for row in listed}
    assert {found.pop("type") for found in theirs.values()} == {"model"}  # its own
    macros = Macros(ENV)
    macros.top(config)
    ours = {name: macros.model(name, found)["metadata"] for name, found in config["models"].items()}  # type: ignore[attr-defined]
    assert (ours, macros.troubles) == (theirs, [])


@pytest.mark.component("llama-server")
def test_from_a_llama_swap_config_to_an_answer_by_its_alias(
    stack_cli: Cli, free_port: Callable[[], int], selftest_gguf: Path
) -> None:
    work, port = stack_cli.home.work, free_port()
    config = {
        "macros": {"server": "llama-server --port ${PORT} --jinja"},
        "hooks": {"on_startup": {"preload": ["small"]}},
        "models": {
            "selftest/tiny": {
                "cmd": f"${{server}}\n-m {selftest_gguf} -c 16384 -np 2 -ngl 99 --temp 0.5",
                "aliases": ["small"],
                "ttl": 300,
                "capabilities": {"in": ["text"], "out": ["text"], "tools": True},
            }
        },
    }
    (work / "config.yaml").write_text(yaml.safe_dump(config))
    assert stack_cli("import", "llama-swap", "config.yaml", "--out", "stack.yaml").returncode == 0
    written = (work / "stack.yaml").read_text()
    settings = f"version: 1\nendpoint: {{listen: 127.0.0.1:{port}}}\nprobe: {{scope: all}}"
    (work / "stack.yaml").write_text(written.replace("version: 1", settings))
    done = stack_cli("plan", "--json")
    (launch,) = json.loads(done.stdout)["launches"]
    assert launch["serving"]["context"] == 8192, done.stderr
    assert {"-c", "16384", "-np", "2", "--temp", "0.5"} <= set(launch["how"]["argv"])
    assert stack_cli("up").returncode == 0
    body = {"model": "small", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 4}
    assert httpx.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=body, timeout=60).status_code == 200

    done = stack_cli("connect", "claude-code", "--write", "--model", "small")
    assert done.returncode == 0, done.stderr
    env = json.loads((stack_cli.home.path / ".claude/settings.json").read_text())["env"]
    with anthropic.Anthropic(base_url=env["ANTHROPIC_BASE_URL"], auth_token=env["ANTHROPIC_AUTH_TOKEN"]) as client:
        said = client.messages.create(
            model=env["ANTHROPIC_MODEL"], max_tokens=4, messages=[{"role": "user", "content": "hello"}]
        )
    assert said.type == "message"
