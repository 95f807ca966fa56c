"""The lists and the family table agree with what the engines themselves print."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from orchestrator.core.families import FAMILIES, MLX_LM_INFERS, Family
from orchestrator.core.planner.parser_lists import PARSERS

CAPTURED = Path(__file__).parents[1] / "captured"


def choices(help_text: str, flag: str) -> set[str]:
    """argparse prints them as `--flag {a,b,c}`."""
    hit = re.search(rf"{flag} \{{([^}}]+)\}}", help_text)
    assert hit, flag
    return set(re.sub(r"\s", "", hit[1]).split(","))


def registered(backend: str, version: str) -> tuple[set[str], set[str]]:
    """What the engine itself has, from its registries where its help does not print all."""
    file = CAPTURED / f"{backend}-{version}.parsers.json"
    if file.exists():
        lists = json.loads(file.read_text())
        return set(lists["tool"]), set(lists["reasoning"])
    text = (CAPTURED / f"{backend}-{version}.help.txt").read_text()
    return choices(text, "--tool-call-parser"), choices(text, "--reasoning-parser")


@pytest.mark.parametrize(("backend", "version"), list(PARSERS))
def test_the_lists_are_those_of_the_engine(backend: str, version: str) -> None:
    assert PARSERS[backend, version] == registered(backend, version)


def test_what_help_prints_of_them_is_the_registry() -> None:
    text = (CAPTURED / "vllm-0.32.0.help.txt").read_text()
    assert choices(text, "--tool-call-parser") == set(PARSERS["vllm", "0.32.0"][0])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@pytest.mark.parametrize(("backend", "version"), list(PARSERS))
def test_the_table_names_only_parsers_that_are_there(backend: str, version: str, family: Family) -> None:
    tool, reasoning = PARSERS[backend, version]
    assert family.tool.get(backend, "hermes") in tool
    assert family.reasoning.get(backend, "qwen3") in reasoning


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_mlx_lm_infers_what_the_table_names(family: Family) -> None:
    assert family.tool.get("mlx-lm", "json_tools") in {name for name, _ in MLX_LM_INFERS}
