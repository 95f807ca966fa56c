"""The wire formats: what stands around the name and the arguments of a call, and the families that write so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from orchestrator.core.toolformat.known_call import KEY, NAME, VALUE


@dataclass(frozen=True, slots=True)
class Format:
    """families: of core/families.py, the likeliest first; () where that table does not know them.

    shapes: any of them. NAME, KEY, VALUE stand for the known call's words, JSON for its arguments as a JSON object, a
    space for any white space or none, `...` for a few words on the way, `^` for the beginning of what the model writes.
    """

    name: str
    families: tuple[str, ...]
    shapes: tuple[str, ...]

    def reads(self, text: str) -> bool:
        return any(_pattern(shape).search(text) for shape in self.shapes)


_JSON_CALL = '{"name": "NAME", "arguments": JSON'
_LLAMA_CALL = '{"name": "NAME", "parameters": JSON'

FORMATS: tuple[Format, ...] = (
    # the special ones first: a shape without an envelope of its own fits others' calls, too
    Format("qwen3-coder", ("qwen3-coder",), ("<tool_call> <function=NAME> <parameter=KEY> VALUE </parameter>",)),
    Format("glm-4.5", ("glm-4.5",), ("<tool_call> NAME <arg_key> KEY </arg_key> <arg_value> VALUE </arg_value>",)),
    Format("minimax-m2", ("minimax-m2",), ('<minimax:tool_call> <invoke name="NAME"> <parameter name="KEY"> VALUE',)),
    Format("minimax-m3", (), ('<tool_call> ]<]minimax[>[ <invoke name="NAME"> ... <KEY> VALUE',)),
    Format("seed-oss", ("seed-oss",), ("<seed:tool_call> <function=NAME> <parameter=KEY> VALUE </parameter>",)),
    Format("kimi-k2", ("kimi-k2",), ("<|tool_call_begin|> functions.NAME:0 <|tool_call_argument_begin|> JSON",)),
    Format("kimi-k3", (), ('<|open|>call tool="NAME" ... <|sep|><|open|>argument key="KEY" ... <|sep|>VALUE',)),
    Format("gpt-oss", ("gpt-oss",), ("to=functions.NAME ... <|message|> JSON",)),
    Format("gemma-4", ("gemma-4",), ('<|tool_call> call:NAME { KEY: <|"|>VALUE<|"|>',)),
    Format("functiongemma", ("functiongemma",), ("<start_function_call> call:NAME { KEY: <escape>VALUE<escape>",)),
    Format("lfm2", ("lfm2",), ('<|tool_call_start|> [ NAME(KEY="VALUE"', "<|tool_call_start|> [ NAME(KEY='VALUE'")),
    Format("deepseek-v3", ("deepseek-v3",), ("<｜tool▁call▁begin｜>function<｜tool▁sep｜> NAME ```json JSON",)),
    Format("deepseek-v3.1", ("deepseek-v3.1",), ("<｜tool▁call▁begin｜> NAME <｜tool▁sep｜> JSON",)),
    Format("deepseek-v3.2", ("deepseek-v3.2",), ('<｜DSML｜function_calls> <｜DSML｜invoke name="NAME"> ... KEY',)),
    Format("deepseek-v4", (), ('<｜DSML｜tool_calls> <｜DSML｜invoke name="NAME"> ... KEY',)),
    Format("mistral-call-id", ("mistral",), ("[TOOL_CALLS] NAME [CALL_ID] ... [ARGS] JSON",)),
    Format("mistral", ("mistral",), ("[TOOL_CALLS] NAME [ARGS] JSON", f"[TOOL_CALLS] [ {_JSON_CALL}")),
    Format("granite-3", ("granite-3",), (f"<|tool_call|> [ {_JSON_CALL}",)),
    Format("hermes", ("hermes", "granite-4"), (f"<tool_call> {_JSON_CALL}",)),
    Format("nemotron", (), (f"<TOOLCALL> [ {_JSON_CALL}",)),
    Format("hunyuan", (), (f"<tool_calls> [ {_JSON_CALL}",)),
    Format("minimax-m1", (), (f"<tool_calls> {_JSON_CALL}",)),
    Format("apertus", (), ('<|tools_prefix|> [ {"NAME": JSON',)),
    Format("cohere", (), ('<|START_ACTION|> [ {"tool_call_id": "0", "tool_name": "NAME", "parameters": JSON',)),
    Format("gigachat-3", (), (f"function call<|role_sep|> {_JSON_CALL}", f"<|function_call|> {_JSON_CALL}")),
    Format("minicpm5", (), ('<function name="NAME"> <param name="KEY"> VALUE',)),
    Format("muse", (), ('<atem:function_calls> <atem:invoke name="NAME"> <atem:parameter name="KEY"> VALUE',)),
    Format("longcat", (), ("<longcat_tool_call> NAME <longcat_arg_key> KEY", f"<longcat_tool_call> {_JSON_CALL}")),
    Format("hunyuan-3", (), ("<tool_call:opensource> NAME <tool_sep:opensource> <arg_key:opensource> KEY",)),
    Format("functionary-3.1", (), ("<function=NAME> JSON",)),
    Format("llama-3", ("llama-3",), (f"^ {_LLAMA_CALL}", f"<|python_tag|> {_LLAMA_CALL}")),
    Format("pythonic", ("llama-4",), ('^ [ NAME(KEY="VALUE"', "^ [ NAME(KEY='VALUE'", "<|python_start|> [ NAME(KEY=")),
    Format("xlam", (), (f"^ [ {_JSON_CALL}",)),
)

BY_NAME = {one.name: one for one in FORMATS}


def find(text: str) -> Format | None:
    """The format of a call's text, as locate.cut gives it."""
    return next((one for one in FORMATS if one.reads(text)), None)


@lru_cache
def _pattern(shape: str) -> re.Pattern[str]:
    parts = re.escape(shape).replace(r"\.\.\.", r"[^{}]{0,80}?").replace(r"\ ", r"\s*").replace(r"\^", r"\A")
    parts = parts.replace("JSON", r'\{\s*"KEY":\s*"VALUE"')
    return re.compile(parts.replace("KEY", KEY).replace("VALUE", VALUE).replace("NAME", NAME))
