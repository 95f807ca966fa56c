"""`stack check`, `schema` and `init`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator.cli.main import run
from orchestrator.cli.show import render_problems
from orchestrator.core.host import Apple, Engine, Gpu, Host
from orchestrator.core.stackfile.notyet import not_yet
from orchestrator.core.stackfile.starter import backends, starter, starter_text
from orchestrator.edge.stackfile.load import parse
from orchestrator.errors import EngineError, PlanError, Problem

ROOT = Path(__file__).parents[2]
GOOD = "version: 1\nmodels:\n  tiny:\n    sources: {mlx-lm: {path: ./tiny}}\n"
GOOD += "  big:\n    sources: {apple-foundation: {}}\n"
BAD = "version: 1\nmodels:\n  tiny:\n    serve:\n      prot: 18500\n    sources: {mlx-lm: {path: ./tiny}}\n"


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Stack = Callable[..., Done]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Stack:
    """The console script's function, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["stack", *args])
        with pytest.raises(SystemExit) as ended:
            run()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, *capsys.readouterr())

    return call


def test_a_whole_process(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(BAD)
    command = [sys.executable, "-m", "orchestrator.cli.main", "check"]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "STACK_FILE": "s.yaml"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, done.stderr.splitlines()[0]) == (3, "s.yaml:5: models.tiny.serve.prot: unknown key")


def test_a_good_file(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "stack.yaml").write_text(GOOD)
    done = stack("check")
    assert (done.returncode, done.stdout) == (0, "stack.yaml: ok (2 models)\n")
    assert done.stderr == (
        "stack.yaml:6: warning: models.big.sources.apple-foundation: not yet: backend `apple-foundation` is known, "
        "but this version cannot do it\n    6 |     sources: {apple-foundation: {}}\n"
    )


def test_a_bad_file(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(BAD)
    done = stack("check", "s.yaml")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "s.yaml:5: models.tiny.serve.prot: unknown key\n    5 |       prot: 18500\n   did you mean `port`?\n"
    )


@pytest.mark.parametrize("line", ["check --file s.yaml", "check -f s.yaml", "--file s.yaml check"])
def test_the_file_is_named_before_or_after_the_command(stack: Stack, tmp_path: Path, line: str) -> None:
    (tmp_path / "s.yaml").write_text(BAD)
    assert stack(*line.split()).stderr.startswith("s.yaml:5:")


def test_a_flag_wins_over_the_environment(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "s.yaml").write_text(BAD)
    monkeypatch.setenv("STACK_FILE", "other.yaml")
    for line in ("--file s.yaml check", "check --file s.yaml", "check s.yaml"):
        assert stack(*line.split()).stderr.startswith("s.yaml:5:")


def test_json(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text(BAD)
    good, bad = stack("check", "good.yaml", "--json"), stack("check", "bad.yaml", "--json")
    assert (good.returncode, bad.returncode) == (0, 3)
    assert json.loads(good.stdout)["ok"] is True
    assert [one["line"] for one in json.loads(good.stdout)["warnings"]] == [6]
    assert json.loads(bad.stdout) == {
        "ok": False,
        "problems": [
            {
                "where": "models.tiny.serve.prot",
                "text": "unknown key",
                "mend": "did you mean `port`?",
                "line": 5,
                "excerpt": "      prot: 18500",
            }
        ],
        "warnings": [],
    }


def test_no_file(stack: Stack) -> None:
    done = stack("check")
    assert done.returncode == 3
    assert done.stderr == "stack.yaml: there is no such file\n   `stack init` writes one, `--file` names another\n"


def test_schema_is_the_kept_file(stack: Stack) -> None:
    kept = ROOT / "docs" / "stack.schema.json"
    assert json.loads(stack("schema").stdout) == json.loads(kept.read_text())


def test_init_writes_once(stack: Stack, tmp_path: Path) -> None:
    shown = stack("init", "--print")
    assert shown.returncode == 0
    assert not (tmp_path / "stack.yaml").exists()
    assert stack("init").returncode == 0
    assert (tmp_path / "stack.yaml").read_text() == shown.stdout
    assert stack("check").stderr == ""
    again = stack("init")
    assert (again.returncode, "there already" in again.stderr) == (2, True)
    assert stack("init", "--force").returncode == 0


def test_init_for_another_machine(stack: Stack) -> None:
    host = str(ROOT / "examples" / "mac-studio" / "host.json")
    assert "selection: [vllm-mlx, mlx-lm, llama-cpp]" in stack("init", "--print", "--host", host).stdout


MAC = Host("macos", "arm64", 128 * 2**30, apple=Apple("M3 Ultra", 96 * 2**30))
SMALL_MAC = Host("macos", "arm64", 8 * 2**30, apple=Apple("M1", 5 * 2**30))
LINUX = Host("linux", "x86_64", 16 * 2**30)
INSTALLED = Host("linux", "x86_64", 2 * 2**30, engines={"mlx-lm": Engine("/x/mlx_lm.server")})
CUDA = Host("linux", "x86_64", 64 * 2**30, gpus=(Gpu(0, "GPU-1", "RTX 4090", 24 * 2**30),))


@pytest.mark.parametrize(
    ("host", "name", "order"),
    [
        (MAC, "qwen3-coder-30b", ("vllm-mlx", "mlx-lm", "llama-cpp")),
        (SMALL_MAC, "qwen3-4b", ("vllm-mlx", "mlx-lm", "llama-cpp")),
        (LINUX, "qwen3-4b", ("llama-cpp", "mlx-lm")),
        (INSTALLED, "qwen3-0.6b", ("mlx-lm", "llama-cpp")),
        (CUDA, "qwen3-4b", ("llama-cpp", "mlx-lm")),
    ],
)
def test_a_file_for_a_machine(host: Host, name: str, order: tuple[str, ...]) -> None:
    assert (starter(host).name, backends(host)) == (name, order)
    written, _ = parse(starter_text(host))
    assert list(written.models) == [name]
    assert written.selection == order
    assert not_yet(written) == ()


def test_other_errors_in_words() -> None:
    engine = EngineError("mlx-lm ended at once", mend="see `stack logs tiny`", details=("usage: x", "bad flag"))
    assert render_problems(engine) == (
        "stack: mlx-lm ended at once\n   usage: x\n   bad flag\n   see `stack logs tiny`"
    )
    plan = PlanError("cannot be planned", problems=[Problem("models.a.gpus", "not yet", "wait", 4, "    gpus: [0]")])
    assert render_problems(plan) == (
        "stack: cannot be planned\nstack.yaml:4: models.a.gpus: not yet\n    4 |     gpus: [0]\n   wait"
    )
