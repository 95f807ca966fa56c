"""Small chat templates in the manner of the families, written for the tests: by family, the way each writes a call."""

from __future__ import annotations

ONE = "{%- for c in m.tool_calls %}{% set f = c.function %}"
EACH = "{% for k, v in f.arguments.items() %}"
DECLARED = "{% if tools %}tools: {{ tools | tojson }}\n{% endif %}"


def chat(call: str, *, begin: str = "", end: str = "", tools: str = DECLARED) -> str:
    """A template around the way in which one call `c` with its function `f` is written."""
    return (
        f"{tools}"
        "{%- for m in messages %}<|im_start|>{{ m.role }}\n"
        "{%- if m.tool_calls %}"
        f"{begin}{ONE}{call}{{% endfor %}}{end}"
        "{%- else %}{{ m.content }}{% endif %}<|im_end|>\n"
        "{% endfor %}"
    )


JSON = '{"name": "{{ f.name }}", "arguments": {{ f.arguments | tojson }}}'
XML = "<function={{ f.name }}>\n" + EACH + "<parameter={{ k }}>\n{{ v }}\n</parameter>\n{% endfor %}</function>\n"
CALLS = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
DSML = (
    '<｜DSML｜invoke name="{{ f.name }}">\n'
    + EACH
    + '<｜DSML｜parameter name="{{ k }}" string="{{ (v is string) | tojson }}">{{ v }}'
    "</｜DSML｜parameter>\n{% endfor %}</｜DSML｜invoke>\n"
)
ARGS = EACH + "{{ k }}={{ v | tojson }}{% if not loop.last %}, {% endif %}{% endfor %}"

TEMPLATES = {
    "hermes": chat("<tool_call>\n" + JSON + "\n</tool_call>"),
    "qwen3-coder": chat("<tool_call>\n" + XML + "</tool_call>"),
    "glm-4.5": chat(
        "<tool_call>{{ f.name }}\n" + EACH + "<arg_key>{{ k }}</arg_key>\n<arg_value>{{ v }}</arg_value>\n{% endfor %}"
        "</tool_call>"
    ),
    "minimax-m2": chat(
        '<invoke name="{{ f.name }}">\n'
        + EACH
        + '<parameter name="{{ k }}">{{ v }}</parameter>\n{% endfor %}</invoke>\n',
        begin="<minimax:tool_call>\n",
        end="</minimax:tool_call>",
    ),
    "seed-oss": chat("<seed:tool_call>\n" + XML + "</seed:tool_call>"),
    "kimi-k2": chat(
        "<|tool_call_begin|>{{ c.id }}<|tool_call_argument_begin|>{{ f.arguments | tojson }}<|tool_call_end|>",
        begin="<|tool_calls_section_begin|>",
        end="<|tool_calls_section_end|>",
    ),
    "gpt-oss": (
        DECLARED + "{%- for m in messages %}<|start|>{{ m.role }}{% if m.tool_calls %}"
        " to=functions.{{ m.tool_calls[0].function.name }}<|channel|>commentary json<|message|>"
        "{{ m.tool_calls[0].function.arguments | tojson }}<|call|>"
        "{% else %}<|channel|>final<|message|>{{ m.content }}<|end|>{% endif %}{% endfor %}"
    ),
    "gemma-4": chat(
        "<|tool_call>call:{{ f.name }}{{ '{' }}"
        + EACH
        + '{{ k }}:{% if v is string %}<|"|>{{ v }}<|"|>{% else %}{{ v }}'
        "{% endif %}{% if not loop.last %},{% endif %}{% endfor %}}<tool_call|>"
    ),
    "functiongemma": chat(
        "<start_function_call>call:{{ f.name }}{{ '{' }}"
        + EACH
        + "{{ k }}:{% if v is string %}<escape>{{ v }}<escape>{% else %}{{ v }}{% endif %}"
        "{% if not loop.last %},{% endif %}{% endfor %}}<end_function_call>"
    ),
    "lfm2": chat("{{ f.name }}(" + ARGS + ")", begin="<|tool_call_start|>[", end="]<|tool_call_end|>"),
    "deepseek-v3": chat(
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>"
        "{{ f.name + '\n```json\n' + f.arguments + '\n```' }}<｜tool▁call▁end｜>",
        begin=CALLS[0],
        end=CALLS[1],
    ),
    "deepseek-v3.1": chat(
        "<｜tool▁call▁begin｜>{{ f.name }}<｜tool▁sep｜>{{ f.arguments | tojson }}<｜tool▁call▁end｜>",
        begin=CALLS[0],
        end=CALLS[1],
    ),
    "deepseek-v3.2": chat(DSML, begin="<｜DSML｜function_calls>\n", end="</｜DSML｜function_calls>"),
    "deepseek-v4": chat(DSML, begin="<｜DSML｜tool_calls>\n", end="</｜DSML｜tool_calls>"),
    "mistral": chat("[TOOL_CALLS]{{ f.name }}[ARGS]{{ f.arguments | tojson }}"),
    "mistral-call-id": chat("[TOOL_CALLS]{{ f.name }}[CALL_ID]{{ c.id }}[ARGS]{{ f.arguments | tojson }}"),
    "granite-3": chat(JSON, begin="<|tool_call|>[", end="]"),
    "llama-3": chat('{"name": "{{ f.name }}", "parameters": {{ f.arguments | tojson }}}'),
    "pythonic": chat("{{ f.name }}(" + ARGS + ")", begin="[", end="]"),
    "minimax-m3": chat(
        ']<]minimax[>[<invoke name="{{ f.name }}">' + EACH + "]<]minimax[>[<{{ k }}>{{ v }}]<]minimax[>[</{{ k }}>"
        "{% endfor %}]<]minimax[>[</invoke>\n",
        begin="]<]minimax[>[<tool_call>\n",
        end="]<]minimax[>[</tool_call>",
    ),
    "kimi-k3": chat(
        '<|open|>call tool="{{ f.name }}" index="{{ loop.index }}"<|sep|>' + EACH + '<|open|>argument key="{{ k }}" '
        """type="{{ 'string' if v is string else 'number' }}"<|sep|>{{ v }}<|close|>argument<|sep|>{% endfor %}"""
        "<|close|>call<|sep|>",
        begin="<|open|>tools<|sep|>",
        end="<|close|>tools<|sep|>",
    ),
    "nemotron": chat(JSON, begin="<TOOLCALL>[", end="]</TOOLCALL>"),
    "hunyuan": chat(JSON, begin="<tool_calls>[", end="]</tool_calls>"),
    "hunyuan-3": chat(
        "<tool_call:opensource>{{ f.name }}<tool_sep:opensource>\n" + EACH + "<arg_key:opensource>{{ k }}"
        "</arg_key:opensource>\n<arg_value:opensource>{{ v }}</arg_value:opensource>\n{% endfor %}"
        "</tool_call:opensource>\n",
        begin="<tool_calls:opensource>\n",
        end="</tool_calls:opensource>",
    ),
    "minimax-m1": chat(JSON + "\n", begin="<tool_calls>\n", end="</tool_calls>"),
    "apertus": chat('{"{{ f.name }}": {{ f.arguments | tojson }}}', begin="<|tools_prefix|>[", end="]<|tools_suffix|>"),
    "cohere": chat(
        '{"tool_call_id": "{{ loop.index0 }}", "tool_name": "{{ f.name }}", "parameters": {{ f.arguments | tojson }}}',
        begin="<|START_ACTION|>[\n",
        end="\n]<|END_ACTION|>",
    ),
    "gigachat-3": chat("<|function_call|>" + JSON),
    "minicpm5": chat(
        '<function name="{{ f.name }}">' + EACH + '<param name="{{ k }}">{{ v }}</param>{% endfor %}</function>'
    ),
    "muse": chat(
        '<atem:invoke name="{{ f.name }}">\n' + EACH + '<atem:parameter name="{{ k }}">{{ v }}</atem:parameter>\n'
        "{% endfor %}</atem:invoke>\n",
        begin="<atem:function_calls>\n",
        end="</atem:function_calls>",
    ),
    "longcat": chat(
        "<longcat_tool_call>{{ f.name }}\n" + EACH + "<longcat_arg_key>{{ k }}</longcat_arg_key>\n"
        "<longcat_arg_value>{{ v }}</longcat_arg_value>\n{% endfor %}</longcat_tool_call>"
    ),
    "functionary-3.1": chat("<function={{ f.name }}>{{ f.arguments | tojson }}</function>"),
    "xlam": chat(JSON, begin="[", end="]"),
}
"""Format (core/toolformat/formats.py) -> a template that writes it."""

OLD_MISTRAL = chat("{{ dict(f, id=c.id) | tojson }}", begin="[TOOL_CALLS] [", end="]")
FORGETFUL = DECLARED + "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
"""Leaves calls out."""
TOOLLESS = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{# tools #}"
SMUGGLED = DECLARED + "{#- <tool_call> -#}" + chat("<|call|>{{ f.name }} " + ARGS, tools="")
"""The markers of one format, the calls of none that we know."""
DISGUISED = chat("<tool_call>\n" + XML.replace("<function", "{{ '<func' ~ 'tion' }}") + "</tool_call>")
"""Writes qwen3-coder calls, though its markers look like hermes."""

HOSTILE = {
    "a gigabyte at once": "{{ 'a' * 10000000000 }}",
    "a number to fill": "{{ '%400000000d' % 1 }}",
    "doubling": "{% set n = namespace(s='a') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}",
    "many small pieces": "{% for a in range(99999) %}{{ 'x' * 100 }}{% endfor %}",
    "not closed": "{% if tools %}{{ broken",
    "deep": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
}
ENDLESS = "{% for a in range(99999) %}" * 3 + "{% endfor %}" * 3
