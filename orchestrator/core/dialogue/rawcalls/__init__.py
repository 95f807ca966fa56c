"""What a model wrote, read by parsers of our own, one a wire format: the raw arm asks past the server's parser.

Strict where a parser of an engine may be lenient: what it reads was written whole and well-formed.
"""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core.dialogue.rawcalls.places import Read
from orchestrator.core.dialogue.rawcalls.quoted import functiongemma, gemma4, pythonic
from orchestrator.core.dialogue.rawcalls.tags import arg_keys, functions, invokes
from orchestrator.core.dialogue.rawcalls.written_json import bare, deepseek, granite, harmony, hermes, kimi, mistral

READERS: Mapping[str, Read] = {
    "<tool_call><function=": functions,
    "<seed:tool_call>": functions,
    "<tool_call><arg_key>": arg_keys,
    "<minimax:tool_call>": invokes,
    "<｜DSML｜function_calls>": invokes,
    "<|tool_calls_section_begin|>": kimi,
    "<|channel|>": harmony,
    "<｜tool▁calls▁begin｜>": deepseek,
    "[TOOL_CALLS]": mistral,
    "pythonic list": pythonic,
    "<|tool_call_start|>": pythonic,
    "<|python_tag|>": bare,
    "<|tool_call>": gemma4,
    "<start_function_call>": functiongemma,
    "<|tool_call|>": granite,
    "<tool_call>{json}": hermes,
    "<tool_call>": hermes,
}
"""By `Family.wire`: each has one. Where the family is unknown there is no raw arm, and the verdict says so."""
