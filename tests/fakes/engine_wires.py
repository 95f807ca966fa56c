"""How models of several families write a tool call: the text that a broken parser leaks. Standard library only."""

import json


def dumps(value):
    return json.dumps(value, ensure_ascii=False)


def loose(value):
    return value if isinstance(value, str) else dumps(value)


def hermes(name, arguments):
    return f'<tool_call>\n{{"name": "{name}", "arguments": {dumps(arguments)}}}\n</tool_call>'


def qwen3_coder(name, arguments):
    inner = "".join(f"<parameter={k}>\n{loose(v)}\n</parameter>\n" for k, v in arguments.items())
    return f"<tool_call>\n<function={name}>\n{inner}</function>\n</tool_call>"


def glm(name, arguments):
    inner = "".join(f"<arg_key>{k}</arg_key>\n<arg_value>{loose(v)}</arg_value>\n" for k, v in arguments.items())
    return f"<tool_call>{name}\n{inner}</tool_call>"


def minimax(name, arguments):
    inner = "".join(f'<parameter name="{k}">{loose(v)}</parameter>\n' for k, v in arguments.items())
    return f'<minimax:tool_call>\n<invoke name="{name}">\n{inner}</invoke>\n</minimax:tool_call>'


def mistral(name, arguments):
    return f"[TOOL_CALLS]{name}[ARGS]{dumps(arguments)}"


def llama(name, arguments):
    return f'<|python_tag|>{{"name": "{name}", "parameters": {dumps(arguments)}}}'


def kimi(name, arguments):
    call = f"<|tool_call_begin|>functions.{name}:0<|tool_call_argument_begin|>{dumps(arguments)}<|tool_call_end|>"
    return f"<|tool_calls_section_begin|>{call}<|tool_calls_section_end|>"


def deepseek(name, arguments):
    call = f"<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{dumps(arguments)}<｜tool▁call▁end｜>"
    return f"<｜tool▁calls▁begin｜>{call}<｜tool▁calls▁end｜>"


def harmony(name, arguments):
    return f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{dumps(arguments)}<|call|>"


def braces(value, quote):
    """A value of the gemma formats: texts between quotes of their own, keys bare, the rest as in JSON."""
    if isinstance(value, str):
        return f"{quote}{value}{quote}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{braces(v, quote)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(braces(one, quote) for one in value) + "]"
    return dumps(value)


def gemma4(name, arguments):
    return "<|tool_call>call:" + name + braces(arguments, '<|"|>') + "<tool_call|>"


def functiongemma(name, arguments):
    return "<start_function_call>call:" + name + braces(arguments, "<escape>") + "<end_function_call>"


def granite3(name, arguments):
    return f'<|tool_call|>[{{"name": "{name}", "arguments": {dumps(arguments)}}}]'


WIRES = {
    "hermes": ("<tool_call>{json}", hermes),
    "qwen3-coder": ("<tool_call><function=", qwen3_coder),
    "glm": ("<tool_call><arg_key>", glm),
    "minimax": ("<minimax:tool_call>", minimax),
    "mistral": ("[TOOL_CALLS]", mistral),
    "llama": ("<|python_tag|>", llama),
    "kimi": ("<|tool_calls_section_begin|>", kimi),
    "deepseek": ("<｜tool▁calls▁begin｜>", deepseek),
    "harmony": ("<|channel|>", harmony),
    "gemma4": ("<|tool_call>", gemma4),
    "functiongemma": ("<start_function_call>", functiongemma),
    "granite3": ("<|tool_call|>", granite3),
}
"""name -> (how the probe's table calls the format, the writer of one call)."""
