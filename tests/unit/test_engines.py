"""Engines as data: programs, versions, the options in their --help. Captured output is under captured/."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.engines import PROGRAMS, parse_help, parse_version, pinned
from orchestrator.core.host import Engine
from orchestrator.core.spec import BACKENDS
from orchestrator.edge import engines
from orchestrator.edge.host import flags

CAPTURED = Path(__file__).parent / "captured"

CARGO_STYLE = """\
Start ollama

Usage:
  ollama serve [flags]

Flags:
  -h, --help      help for serve
      --verbose   Show timings

Environment Variables:
      OLLAMA_DEBUG               Show additional debug information (e.g. OLLAMA_DEBUG=1)
"""


def test_every_backend_with_an_engine_has_a_program() -> None:
    assert set(BACKENDS) - set(PROGRAMS) == {"openai", "command", "apple-foundation"}


def test_what_we_do_not_install_says_what_to_type() -> None:
    for program in PROGRAMS.values():
        assert set(program.install) == {"linux", "macos"}, program.name


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("version: 6123 (a1b2c3d)\nbuilt with cc\n", "6123"),
        ("version: 0.5.0-dev (build 1, commit 0c1e570)\n", "0.5.0-dev"),
        ("ollama version is 0.12.3\n", "0.12.3"),
        ("version: v171 (abcdef), built at 2026-01-01\n", "171"),
        ("Warning: could not connect\n", ""),
    ],
)
def test_versions(text: str, version: str) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mlx-lm", "mlx-lm-0.32.2"),
        ("vllm-mlx", "vllm-mlx-0.6.0"),
        ("llama-cpp", "llama-server-0.3.36"),
        ("vllm", "vllm-0.32.0"),
        ("rapid-mlx", "rapid-mlx-0.16.10"),
        ("transformers", "transformers-5.23.0"),
    ],
)
def test_shipped_lists_are_what_the_captured_help_says(name: str, file: str) -> None:
    assert flags.captured(name)[1] == parse_help((CAPTURED / f"{file}.help.txt").read_text())


def test_options_of_argparse() -> None:
    found = parse_help((CAPTURED / "mlx-lm-0.32.2.help.txt").read_text())
    assert len(found) == 28
    assert {"--model", "--max-tokens", "--prompt-cache-bytes", "--trust-remote-code", "-h"} <= set(found)
    assert not [option for option in found if option.isupper()]


def test_options_of_llama_server() -> None:
    found = set(parse_help((CAPTURED / "llama-server-0.3.36.help.txt").read_text()))
    assert {"-c", "--ctx-size", "-np", "--parallel", "-ngl", "--jinja", "--metrics", "-fa", "--no-warmup"} <= found
    assert "--spec-ngram-size-n" not in found, "what it lists as removed is refused at start"
    assert not {"-min-hits", "--spec-ngram-"} & found, "words of descriptions are no options"


def test_options_of_a_go_program() -> None:
    assert parse_help(CARGO_STYLE) == ("--help", "--verbose", "-h")


@given(st.text(max_size=2000))
def test_no_help_breaks_the_parser(text: str) -> None:
    assert all(option.startswith("-") for option in parse_help(text))


def test_the_first_pin_is_the_engine() -> None:
    assert pinned("# words\nmlx-lm==0.32.2\nmlx[cpu]==0.32.4 ; sys_platform == 'linux'\n") == ("mlx-lm", "0.32.2")
    with pytest.raises(ValueError, match="pinned"):
        pinned("mlx-lm>=0.32\n")


def test_requirement_files_are_hashed_and_name_no_address() -> None:
    recipes = engines.recipes()
    assert set(recipes) == {"mlx-lm", "vllm-mlx"}
    for recipe in recipes.values():
        assert f"{recipe.name}=={recipe.version}" in recipe.requirements
        assert "://" not in recipe.requirements
        pins = [line for line in recipe.requirements.splitlines() if line and not line.startswith((" ", "#"))]
        assert recipe.requirements.count("--hash=sha256:") >= len(pins)


def test_vllm_mlx_has_torch_on_macos_only() -> None:
    lines = engines.recipes()["vllm-mlx"].requirements.splitlines()
    torch = [line for line in lines if line.startswith(("torch", "nvidia", "triton"))]
    assert torch
    assert all("sys_platform == 'darwin'" in line for line in torch)


def test_flags_of_another_version_are_not_passed_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "--model" in flags.known("mlx-lm", Engine("/nowhere/mlx_lm.server", "0.32.2"))
    assert flags.known("mlx-lm", Engine("/nowhere/mlx_lm.server", "0.99.0")) == ()


def test_an_engine_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program = tmp_path / "llama-server"
    program.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\necho '-c,    --ctx-size N   size'\n")
    program.chmod(0o755)
    engine = Engine(str(program), "1")
    assert flags.ask("llama-cpp", engine) == ("--ctx-size", "-c")
    assert flags.ask("llama-cpp", engine) == ("--ctx-size", "-c")
    assert (tmp_path / "asked").read_text() == "asked\n"
    program.write_text(program.read_text().replace("--ctx-size", "--context"))
    assert flags.ask("llama-cpp", engine) == ("--context", "-c"), "another executable is asked again"
