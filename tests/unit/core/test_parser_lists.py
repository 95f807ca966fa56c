"""The lists and the family table agree with what the engines themselves print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.core.families import FAMILIES, MLX_LM_INFERS
from orchestrator.core.planner.parser_lists import PARSERS

CAPTURED = Path(__file__).parents[1] / "captured"


def choices(help_text: str, flag: str) -> set[str]:
    """argparse prints them as `--flag {a,b,c}`."""
    hit = re.search(rf"{flag} \{{([^}}]+)\}}", help_text)
    assert hit, flag
    return set(re.sub(r"\s", "", hit[1]).split(","))


@pytest.mark.parametrize(("backend", "version"), list(PARSERS))
def test_the_lists_are_those_of_the_engines_help(backend: str, version: str) -> None:
    text = (CAPTURED / f"{backend}-{version}.help.txt").read_text()
    assert PARSERS[backend, version] == (choices(text, "--tool-call-parser"), choices(text, "--reasoning-parser"))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_table_names_only_parsers_that_are_there(family: object) -> None:
    tool, reasoning = PARSERS["vllm-mlx", "0.6.0"]
    assert family.tool.get("vllm-mlx", "auto") in tool  # type: ignore[attr-defined]
    assert family.reasoning.get("vllm-mlx", "qwen3") in reasoning  # type: ignore[attr-defined]
    assert family.tool.get("mlx-lm", "json_tools") in {name for name, _ in MLX_LM_INFERS}  # type: ignore[attr-defined]
