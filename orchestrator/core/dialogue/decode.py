"""From the bytes of a reply to what a client would make of them, with every defect of form noted on the way."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from orchestrator.core.dialogue.assemble import Assembly
from orchestrator.core.dialogue.codes import TRANSPORT, Code
from orchestrator.core.dialogue.rawcalls import READERS
from orchestrator.core.dialogue.reply import Call, Defect, Reply, Seen
from orchestrator.core.wire.sse import EventTooLong, Parser

EVENT_LIMIT = 4 << 20
_ENDINGS = {
    "cut": (Code.CONNECTION_LOST, "the connection broke in the middle of the reply"),
    "refused": (Code.CONNECTION_LOST, "no connection"),
    "deadline": (Code.DEADLINE, "the reply did not end in time"),
    "too_large": (Code.REPLY_TOO_LARGE, "the reply did not end: we stopped reading"),
}


def decode(reply: Reply, streamed: bool) -> Seen:
    """Never raises: what cannot be read is a defect."""
    if reply.ending != "complete":
        code, text = _ENDINGS[reply.ending]
        return Seen(defects=(Defect(code, f"{text} {reply.problem}".strip()),))
    if not 200 <= reply.status < 300:
        return Seen(defects=(Defect(Code.HTTP_ERROR, f"HTTP {reply.status}: {excerpt(reply.raw)}"),))
    try:
        text = reply.raw.decode()
    except UnicodeDecodeError as error:
        return Seen(defects=(Defect(Code.BAD_JSON, f"invalid UTF-8 at byte {error.start}"),))
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    wanted = "text/event-stream" if streamed else "application/json"
    defects = []
    if kind != wanted:
        defects.append(Defect(Code.WRONG_CONTENT_TYPE, f"content-type is {kind or 'absent'}, not {wanted}"))
    if streamed and not text.lstrip().startswith("{"):
        return _stream(reply.raw, defects)
    return _whole(text, defects)


def decode_raw(reply: Reply, wire: str) -> Seen:
    """A reply of /v1/completions: its text, read by a parser of our own for that wire format. Never raises."""
    seen = decode(reply, streamed=False)
    if any(Code(defect.code) in TRANSPORT for defect in seen.defects):
        return seen
    text = said(json.loads(reply.raw)["choices"][0].get("text"))
    read = READERS[wire](text)
    calls = tuple(Call(i, f"raw_{i}", name, json.dumps(arguments)) for i, (name, arguments) in enumerate(read))
    return replace(seen, content="" if calls else text, calls=calls, defects=())


_SPEAKS = re.compile(rb'"(?:content|reasoning_content|reasoning|name|arguments|text)"\s*:\s*"(?!")')


def first_token(reply: Reply) -> float:
    """Seconds to the first piece of a stream in which the model says anything: roles and keep-alives do not count."""
    found = _SPEAKS.search(reply.raw)
    at = found.end() if found else 0
    return next((seconds for size, seconds in reply.marks if size >= at), reply.first)


def excerpt(raw: bytes, limit: int = 300) -> str:
    return " ".join(raw[:limit].decode("utf-8", "replace").split())


def _whole(text: str, defects: list[Defect]) -> Seen:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Seen(defects=(*defects, Defect(Code.BAD_JSON, f"the body is not JSON: {error}")))
    if broken := _not_a_reply(value):
        # an error page of another kind explains itself better than its content type does
        return Seen(defects=(broken,))
    choice = value["choices"][0]
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    calls = tuple(_call(i, one) for i, one in enumerate(message.get("tool_calls") or []) if isinstance(one, dict))
    return Seen(
        content=said(message.get("content")),
        reasoning=said(message.get("reasoning_content") or message.get("reasoning")),
        calls=calls,
        finish=choice.get("finish_reason"),
        prompt_tokens=_tokens(value, "prompt_tokens"),
        completion_tokens=_tokens(value, "completion_tokens"),
        cached_tokens=_cached(value),
        defects=(*defects, *_form(calls, choice.get("finish_reason"))),
    )


def _stream(raw: bytes, defects: list[Defect]) -> Seen:
    assembly, parser, done, usage = Assembly(), Parser(EVENT_LIMIT), False, {}
    try:
        events = [event.data for event in parser.feed(raw)]
        last = parser.close()
    except EventTooLong as error:
        return Seen(defects=(*defects, Defect(Code.REPLY_TOO_LARGE, str(error))))
    if last is not None and last.data.strip() == "[DONE]":
        events.append("[DONE]")  # a final blank line left out: every client accepts it
        last = None
    for data in events:
        if data.strip() == "[DONE]":
            done = True
            continue
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            defects.append(Defect(Code.BAD_JSON, f"an event is not JSON: {error}: {data[:80]!r}"))
            continue
        if isinstance(value, dict) and isinstance(value.get("usage"), dict):
            usage = value
        if isinstance(value, dict) and value.get("choices") == []:
            continue
        if broken := _not_a_reply(value):
            return Seen(defects=(*defects, broken))
        assembly.feed(value["choices"][0])
    if last is not None:
        defects.append(Defect(Code.HALF_EVENT, f"the stream ends inside an event: {last.data[-80:]!r}"))
    elif not done:
        defects.append(Defect(Code.NO_DONE, "the stream ends without data: [DONE]"))
    calls = assembly.calls()
    ends = _form(calls, assembly.finish) if not defects or done else []
    return Seen(
        content="".join(assembly.content),
        reasoning="".join(assembly.reasoning),
        calls=calls,
        finish=assembly.finish,
        prompt_tokens=_tokens(usage, "prompt_tokens"),
        completion_tokens=_tokens(usage, "completion_tokens"),
        cached_tokens=_cached(usage),
        defects=(*defects, *assembly.defects, *ends),
    )


def _not_a_reply(value: Any) -> Defect | None:
    """A 200 that holds an error, or no choice."""
    if not isinstance(value, dict):
        return Defect(Code.BAD_JSON, "a reply is not an object")
    choices = value.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], dict):
        return None
    if value.get("error"):
        return Defect(Code.ERROR_IN_BODY, f"status 200 with an error: {str(value['error'])[:300]}")
    return Defect(Code.BAD_JSON, f"a reply without choices: {str(value)[:200]}")


def _form(calls: tuple[Call, ...], finish: str | None) -> list[Defect]:
    found = []
    if finish is None:
        found.append(Defect(Code.NO_FINISH, "no finish_reason came"))
    ids = [call.id for call in calls]
    if any(not one for one in ids):
        found.append(Defect(Code.ID_REJECTED, "a call has no id: its result cannot name it"))
    elif len(set(ids)) < len(ids):
        found.append(Defect(Code.ID_REUSED, f"two calls of one reply share an id: {ids}"))
    return found


def _call(index: int, one: dict[str, Any]) -> Call:
    function = one.get("function")
    function = function if isinstance(function, dict) else {}
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(arguments) if arguments is not None else ""
    return Call(index, str(one.get("id") or ""), str(function.get("name") or ""), text)


def said(content: Any) -> str:
    """Content as text, null or parts -> text."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _cached(value: dict[str, Any]) -> int | None:
    usage = value.get("usage")
    details = usage.get("prompt_tokens_details") if isinstance(usage, dict) else None
    return _count(details, "cached_tokens")


def _tokens(value: dict[str, Any], name: str) -> int | None:
    return _count(value.get("usage"), name)


def _count(counts: Any, name: str) -> int | None:
    count = counts.get(name) if isinstance(counts, dict) else None
    return count if isinstance(count, int) and not isinstance(count, bool) else None
