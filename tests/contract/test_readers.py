"""core/toolformat/readers.py measured anew: each format given to each parser of the installed engines, in the engine's
own Python. What the table claims must be what the parsers do; one that reads more than it says is named, too."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.toolformat.known_call import ARGUMENTS, ARGUMENTS_TEXT, NAME, TOOLS
from orchestrator.core.toolformat.readers import READERS
from orchestrator.edge.modelfiles.chat_template import Template, look
from tests.tool_templates import TEMPLATES

Read = dict[str, dict[str, bool]]

MLX_LM = """
import importlib, json, pkgutil, sys
import mlx_lm.tool_parsers as package
calls, tools, name, arguments = json.load(sys.stdin)
def reads(parser, text):
    start, end = parser.tool_call_start, parser.tool_call_end
    if start not in text:
        return False
    text = text.split(start, 1)[1]
    found = parser.parse_tool_call(text.split(end)[0] if end else text, tools)
    found = found if isinstance(found, list) else [found]
    values = [json.loads(one["arguments"]) if isinstance(one["arguments"], str) else one["arguments"] for one in found]
    return [one["name"] for one in found] == [name] and values == [arguments]
"""
MLX_LM_PARSERS = """
names = [module.name for module in pkgutil.iter_modules(package.__path__)]
parsers = {name: importlib.import_module("mlx_lm.tool_parsers." + name) for name in names}
"""
VLLM_MLX = """
import json, re, sys
from vllm_mlx.tool_parsers import ToolParserManager
calls, tools, name, arguments = json.load(sys.stdin)
class Tokenizer:
    def get_vocab(self):
        return {}
def made(parser):
    try:
        return parser()
    except Exception:
        return parser(Tokenizer())
def right(found):
    return [one["name"] for one in found] == [name] and json.loads(found[0]["arguments"]) == arguments
def reads(parser, text):
    request = {"tools": tools}
    if not right(made(parser).extract_tool_calls(text, request).tool_calls):
        return False
    before, streamed, reader = "", {}, made(parser)
    for piece in re.findall(r"<[^<>\\s]*>|\\[TOOL_CALLS\\]|\\[ARGS\\]|[^<\\[]{1,4}|.", text, re.S):
        delta = reader.extract_tool_calls_streaming(before, before + piece, piece, request=request) or {}
        before += piece
        for call in delta.get("tool_calls") or []:
            one = streamed.setdefault(call.get("index", 0), {"name": "", "arguments": ""})
            for key in one:
                one[key] += call.get("function", {}).get(key) or ""
    return right(list(streamed.values()))
"""
VLLM_MLX_PARSERS = """
parsers = {name: ToolParserManager.get_tool_parser(name) for name in ToolParserManager.list_registered()}
"""
ASK = """
def attempt(parser, text):
    try:
        return bool(reads(parser, text))
    except Exception:
        return False
answer = {one: [name for name, parser in parsers.items() if attempt(parser, text)] for one, text in calls.items()}
print("ANSWER" + json.dumps(answer))
"""


HARMONY = f"<|channel|>commentary to=functions.{NAME} <|constrain|>json<|message|>{ARGUMENTS_TEXT}<|call|>"
"""As the model writes it; its template turns the header round (`to=... <|channel|>commentary`)."""


def measured(python: Path, script: str) -> dict[str, set[str]]:
    """Format -> the parsers that give the known call back, unharmed."""
    calls = {name: look(Template(text, Path(name))).call for name, text in TEMPLATES.items()} | {"gpt-oss": HARMONY}
    asked: Any = [calls, TOOLS, NAME, dict(ARGUMENTS)]
    done = subprocess.run(
        [python, "-c", script + ASK],
        input=json.dumps(asked, default=dict),
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.rpartition("ANSWER")[2])
    return {name: set(found) for name, found in answer.items()}


@pytest.mark.parametrize(
    ("backend", "script"),
    [("mlx-lm", MLX_LM + MLX_LM_PARSERS), ("vllm-mlx", VLLM_MLX + VLLM_MLX_PARSERS)],
    ids=["mlx-lm", "vllm-mlx"],
)
def test_readers_are_what_the_engines_parsers_do(require: Callable[[str], Path], backend: str, script: str) -> None:
    found = measured(require(backend).parent / "python", script)
    claimed = {name: set(READERS[backend].get(name, "").split()) for name in TEMPLATES}
    assert found == claimed
