"""Every finding's code, with the layer it blames, how bad it is, and what to do (reference: docs/probe.md).

The codes are stable names. A scenario may lower or raise culprit and severity where its evidence says more.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.dialogue.findings import Culprit, Severity


class Code(StrEnum):
    MARKUP_IN_CONTENT = "markup_in_content"
    STREAM_DIFFERS = "stream_differs"
    MISMATCH_MASKED = "mismatch_masked"
    CALL_RESENT = "call_resent"
    INDEX_COLLISION = "index_collision"
    PARALLEL_LOST = "parallel_lost"
    SILENT_DROP = "silent_drop"
    FINISH_WITHOUT_CALLS = "finish_without_calls"
    TRUNCATION_HIDDEN = "truncation_hidden"
    STOP_WITH_CALLS = "stop_with_calls"
    EMPTY_ARGS_LOST = "empty_args_lost"
    ID_REJECTED = "id_rejected"
    ID_FORMAT = "id_format"
    DOUBLE_ENCODED = "double_encoded"
    NESTED_STRINGIFIED = "nested_stringified"
    VALUE_CUT_AT_TAG = "value_cut_at_tag"
    CALL_IN_REASONING = "call_in_reasoning"
    NAME_CORRUPTED = "name_corrupted"
    NULL_CONTENT_REJECTED = "null_content_rejected"
    HISTORY_POISONING = "history_poisoning"
    DEPTH_DRIFT = "depth_drift"
    CONTEXT_DRIFT = "context_drift"
    LOOP = "loop"
    CACHE_COLD = "cache_cold"
    TOOLS_DISCARDED = "tools_discarded"
    HISTORY_DISCARDED = "history_discarded"
    REQUIRED_IGNORED = "required_ignored"
    NAMED_IGNORED = "named_ignored"
    NONE_IGNORED = "none_ignored"
    SCHEMA_IGNORED = "schema_ignored"
    FIDELITY_LOST = "fidelity_lost"
    NO_CALL = "no_call"
    WRONG_CALL = "wrong_call"
    NEEDLESS_CALL = "needless_call"
    ARGUMENTS_INVALID = "arguments_invalid"
    UNSTABLE = "unstable"
    NAME_REPEATED = "name_repeated"
    INDEX_GAP = "index_gap"
    ID_REUSED = "id_reused"
    NO_FINISH = "no_finish"
    FINISH_REPEATED = "finish_repeated"
    USAGE_ABSENT = "usage_absent"
    ARRAY_CONTENT_REJECTED = "array_content_rejected"
    BUSY = "busy"
    HTTP_ERROR = "http_error"
    ERROR_IN_BODY = "error_in_body"
    CONNECTION_LOST = "connection_lost"
    REPLY_TOO_LARGE = "reply_too_large"
    BAD_JSON = "bad_json"
    NO_DONE = "no_done"
    HALF_EVENT = "half_event"
    WRONG_CONTENT_TYPE = "wrong_content_type"
    DEADLINE = "deadline"


@dataclass(frozen=True, slots=True)
class Row:
    """symptom: what is seen, in words; mend: what to do about it."""

    culprit: Culprit
    severity: Severity
    symptom: str
    mend: str


_P, _S, _T, _V = Culprit.PARSER, Culprit.STREAM_PARSER, Culprit.TEMPLATE_OR_HISTORY, Culprit.SERVER
_M, _C, _U = Culprit.MODEL_OR_QUANTIZATION, Culprit.CONTEXT, Culprit.UNKNOWN
PARSER_MEND = "name the parser that fits the model's template (`stack plan` shows which, docs/backends.md lists them)"
_STREAM = "use another version or parser of the engine, or ask without `stream`"
_MODEL = "try more bits, another quantization or another model"

TABLE: dict[Code, Row] = {
    Code.MARKUP_IN_CONTENT: Row(_P, "F", "the raw markup of a call is in the visible text", PARSER_MEND),
    Code.STREAM_DIFFERS: Row(_S, "F", "right when not streamed, wrong when streamed", _STREAM),
    Code.MISMATCH_MASKED: Row(_P, "F", "the parser does not fit; a fallback hides it when not streamed", PARSER_MEND),
    Code.CALL_RESENT: Row(_S, "F", "a streamed call comes again: same index, same arguments", _STREAM),
    Code.INDEX_COLLISION: Row(_S, "D", "two different streamed calls share an index", _STREAM),
    Code.PARALLEL_LOST: Row(
        _P, "D", "of two parallel calls one is missing", "send `parallel_tool_calls: false`, or change the parser"
    ),
    Code.SILENT_DROP: Row(_P, "F", "tokens were written, and nothing of them came", PARSER_MEND),
    Code.FINISH_WITHOUT_CALLS: Row(_P, "F", "finish_reason tool_calls, and no call", PARSER_MEND),
    Code.TRUNCATION_HIDDEN: Row(
        _V, "D", "a call cut by max_tokens is reported as complete", "raise max_tokens; check arguments before use"
    ),
    Code.STOP_WITH_CALLS: Row(
        _V,
        "D",
        "finish_reason stop beside calls (accepted for a named choice)",
        "look at tool_calls, not at finish_reason",
    ),
    Code.EMPTY_ARGS_LOST: Row(
        _P,
        "D",
        "the call of a tool without arguments is missing",
        "give every tool at least one argument, or change the parser",
    ),
    Code.ID_REJECTED: Row(
        _T,
        "F",
        "a call has no id, or the server rejects ids, its own on the next turn",
        "use a template that accepts the server's own ids",
    ),
    Code.ID_FORMAT: Row(
        _V, "D", "Kimi's ids are not `functions.NAME:idx`", "update the engine: Kimi needs `functions.NAME:idx`"
    ),
    Code.DOUBLE_ENCODED: Row(
        _P, "F", "the arguments are JSON in JSON", "decode the arguments twice, or change the parser"
    ),
    Code.NESTED_STRINGIFIED: Row(
        _P, "D", "a nested array or object came as text", "decode nested values again, or change the parser"
    ),
    Code.VALUE_CUT_AT_TAG: Row(
        _P,
        "D",
        "a value ends where it holds a closing tag",
        "do not send values that hold closing tags, or change the parser",
    ),
    Code.CALL_IN_REASONING: Row(
        _P, "F", "the call is in the reasoning", "check the reasoning parser: it swallows the call"
    ),
    Code.NAME_CORRUPTED: Row(_P, "F", "the name of a call has control tokens stuck to it", PARSER_MEND),
    Code.NULL_CONTENT_REJECTED: Row(
        _V, "D", "content null or absent beside calls is rejected", 'send `content: ""` beside tool calls'
    ),
    Code.HISTORY_POISONING: Row(
        _T,
        "F",
        "right on a history of ours, wrong on the server's own",
        "use another template or engine version: it renders its own history wrongly",
    ),
    Code.DEPTH_DRIFT: Row(_M, "F", "right at turn 1, wrong at depth, on any history (D from turn 20 on)", _MODEL),
    Code.CONTEXT_DRIFT: Row(
        _C,
        "D",
        "wrong with more context, tools or fewer KV bits (full tier)",
        "use less context, fewer tools or more KV bits",
    ),
    Code.LOOP: Row(_M, "F", "the same call three times in a row", _MODEL),
    Code.CACHE_COLD: Row(_V, "N", "the prefix cache does not work after tools (full tier)", "turn prefix caching on"),
    Code.TOOLS_DISCARDED: Row(
        _V, "F", "tools do not add to prompt_tokens", "use a chat template that renders tools (llama.cpp: --jinja)"
    ),
    Code.HISTORY_DISCARDED: Row(
        _V,
        "F",
        "tool results or calls in the history do not add to prompt_tokens",
        "use a chat template that renders tool calls and results",
    ),
    Code.REQUIRED_IGNORED: Row(
        _V,
        "N",
        "tool_choice required is not obeyed, or refused (D where the backend claims it)",
        "do not rely on tool_choice: required here",
    ),
    Code.NAMED_IGNORED: Row(
        _V,
        "N",
        "a named tool_choice is not obeyed, or refused (D where the backend claims it)",
        "do not rely on a named tool_choice here",
    ),
    Code.NONE_IGNORED: Row(
        _V,
        "N",
        "tool_choice none is not obeyed",
        "leave `tools` out instead (vLLM: --exclude-tools-when-tool-choice-none)",
    ),
    Code.SCHEMA_IGNORED: Row(
        _V, "N", "arguments do not fit the tool's schema", "check arguments against the schema before use"
    ),
    Code.FIDELITY_LOST: Row(
        _P,
        "D",
        "a value was changed as software does; N where a model may have slipped",
        "check values with quotes, newlines or other scripts before use",
    ),
    Code.NO_CALL: Row(
        _U,
        "F",
        "no call came, and words of the model did",
        "check that the template knows tools and that the parser fits it",
    ),
    Code.WRONG_CALL: Row(_M, "F", "another call than the conversation demands, from turn 1", _MODEL),
    Code.NEEDLESS_CALL: Row(_M, "D", "a call where none was needed", _MODEL),
    Code.ARGUMENTS_INVALID: Row(_U, "F", "the arguments are no JSON object", PARSER_MEND),
    Code.UNSTABLE: Row(
        _U,
        "D",
        "wrong once and right the second time, at temperature 0",
        "temperature 0 is not repeatable here: run the probe again",
    ),
    Code.NAME_REPEATED: Row(_S, "D", "the name comes in more than one delta", _STREAM),
    Code.INDEX_GAP: Row(_S, "D", "the indexes of streamed calls are not 0, 1, ...", _STREAM),
    Code.ID_REUSED: Row(
        _V, "D", "two calls of one reply share an id", "update the engine: results cannot be told apart"
    ),
    Code.NO_FINISH: Row(_V, "D", "no finish_reason", "update the engine"),
    Code.FINISH_REPEATED: Row(
        _V, "D", "more than one finish_reason, not the same", "use the last one, or update the engine"
    ),
    Code.USAGE_ABSENT: Row(
        _V,
        "N",
        "usage is absent: what it proves is not checked",
        "turn usage on: without it discarded tools cannot be seen",
    ),
    Code.ARRAY_CONTENT_REJECTED: Row(_V, "D", "content as an array of parts is rejected", "send content as text"),
    Code.BUSY: Row(_V, "N", "two requests at once are refused", "raise the engine's concurrency"),
    Code.HTTP_ERROR: Row(_V, "F", "a status other than 2xx", "read the server's answer in the evidence, and its log"),
    Code.ERROR_IN_BODY: Row(
        _V, "F", "status 200 with an error", "read the server's answer in the evidence, and its log"
    ),
    Code.CONNECTION_LOST: Row(_V, "F", "no connection, or it broke in the middle", "read the engine's log"),
    Code.REPLY_TOO_LARGE: Row(
        _V, "F", "the reply did not end within 4 MiB", "max_tokens is not obeyed: update the engine"
    ),
    Code.BAD_JSON: Row(_V, "F", "a body or an event is not JSON, or not UTF-8", "update the engine"),
    Code.NO_DONE: Row(_V, "F", "a stream without data: [DONE]", "update the engine: clients wait for data: [DONE]"),
    Code.HALF_EVENT: Row(
        _V, "F", "a stream that ends inside an event", "update the engine, or look at the proxy in between"
    ),
    Code.WRONG_CONTENT_TYPE: Row(
        _V,
        "F",
        "neither application/json nor text/event-stream, as asked",
        "check the URL: is it the API root, ending in /v1?",
    ),
    Code.DEADLINE: Row(
        _V, "F", "no end within the deadline of a request", "look whether the engine still works, or raise the deadline"
    ),
}

TRANSPORT = frozenset(
    {Code.HTTP_ERROR, Code.ERROR_IN_BODY, Code.CONNECTION_LOST, Code.REPLY_TOO_LARGE, Code.BAD_JSON}
    | {Code.NO_DONE, Code.HALF_EVENT, Code.WRONG_CONTENT_TYPE, Code.DEADLINE}
)
"""What a reply suffered on its way, whatever it said."""

LOST = frozenset(
    {Code.MARKUP_IN_CONTENT, Code.SILENT_DROP, Code.FINISH_WITHOUT_CALLS, Code.CALL_IN_REASONING}
    | {Code.NO_CALL, Code.WRONG_CALL, Code.ARGUMENTS_INVALID, Code.NAME_CORRUPTED, Code.DOUBLE_ENCODED}
)
"""Why an expected call did not arrive as it should."""
