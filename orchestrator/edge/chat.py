"""One chat request to the endpoint, whole or streamed: what the Python API asks for its users."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Self

import httpx

from orchestrator.core.dialogue.ask import Message, called
from orchestrator.core.dialogue.assemble import Assembly
from orchestrator.core.dialogue.codes import TRANSPORT, Code
from orchestrator.core.dialogue.decode import decode
from orchestrator.core.dialogue.reply import Call, Reply
from orchestrator.core.wire.sse import EventTooLong, Parser
from orchestrator.edge.control.client import NotRunning
from orchestrator.errors import EngineError, ProbeFailed, StackError, UsageError

CONNECT_SECONDS = 10.0
OURS = ("model", "messages", "stream")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said. calls: its tool calls, arguments as text; finish: `stop`, `length`, `tool_calls`, ...;
    model: who answered; tokens: None where the engine does not count them; raw: the reply itself, {} of a stream."""

    text: str
    calls: tuple[Call, ...] = ()
    reasoning: str = ""
    finish: str | None = None
    model: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return self.text

    @property
    def message(self) -> Message:
        """As the next request's history wants it."""
        if not self.calls:
            return {"role": "assistant", "content": self.text}
        return called([(one.id, one.name, one.arguments) for one in self.calls], self.text or None)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """base: API root ending in /v1; key: bearer token or None; name: the stack's, for errors."""

    base: str
    key: str | None
    name: str

    def generate(self, body: Mapping[str, Any], timeout: float | None) -> Answer:
        """Raises UsageError (the request), EngineError, ProbeFailed (tools that do not hold), NotRunning."""
        with self._client(timeout) as client:
            try:
                reply = client.post("/chat/completions", json=dict(body))
            except httpx.HTTPError as error:
                self._lost(error)
        if reply.status_code != 200:
            raise refusal(reply.status_code, reply.content)
        seen = decode(Reply(reply.status_code, dict(reply.headers), reply.content), streamed=False)
        if bad := [one.text for one in seen.defects if Code(one.code) in TRANSPORT]:
            raise EngineError(f"the reply cannot be read: {bad[0]}")
        raw = reply.json()
        return Answer(
            text=seen.content,
            calls=seen.calls,
            reasoning=seen.reasoning,
            finish=seen.finish,
            model=str(raw.get("model", "")),
            prompt_tokens=seen.prompt_tokens,
            completion_tokens=seen.completion_tokens,
            raw=raw,
        )

    def stream(self, body: Mapping[str, Any], timeout: float | None) -> Stream:
        """The same, as it comes. Raises here what is known before the first piece."""
        client = self._client(timeout)
        more = {"stream": True, "stream_options": {"include_usage": True}}
        try:
            reply = client.send(client.build_request("POST", "/chat/completions", json={**more, **body}), stream=True)
            if reply.status_code != 200:
                raise refusal(reply.status_code, reply.read())
        except httpx.HTTPError as error:
            client.close()
            self._lost(error)
        except BaseException:
            client.close()
            raise
        return Stream(client, reply)

    def _client(self, timeout: float | None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        limit = httpx.Timeout(timeout, connect=CONNECT_SECONDS)
        return httpx.Client(base_url=self.base, headers=headers, timeout=limit, trust_env=False)

    def _lost(self, error: httpx.HTTPError) -> NoReturn:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            raise NotRunning(f"nothing answers at {self.base}: {self.name} is not running", mend="Stack.up()") from None
        if isinstance(error, httpx.TimeoutException):
            raise EngineError("no answer within the timeout", mend="a larger `timeout`") from None
        raise EngineError(f"the connection broke: {error!r}") from None


class Stream(Iterator[str]):
    """Pieces of text as they come; `answer` holds all of it, also the tool calls, once they have ended.

    To stop early: `close()`, or use it in a `with` block. Raises EngineError where the stream breaks off."""

    def __init__(self, client: httpx.Client, reply: httpx.Response) -> None:
        self._client, self._reply = client, reply
        self._assembly, self._model, self._usage = Assembly(), "", dict[str, Any]()
        self._pieces = self._read()
        self._answer: Answer | None = None

    @property
    def answer(self) -> Answer:
        """Raises UsageError before the stream has ended."""
        if self._answer is None:
            raise UsageError("the stream has not ended yet", mend="read it to its end first")
        return self._answer

    def __next__(self) -> str:
        return next(self._pieces)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the request; the engine stops writing."""
        self._reply.close()
        self._client.close()

    def _read(self) -> Iterator[str]:
        parser = Parser()
        try:
            for data in self._reply.iter_bytes():
                for event in parser.feed(data):
                    if event.data.strip() == "[DONE]":
                        break
                    yield from self._take(event.data)
        except (httpx.HTTPError, EventTooLong) as error:
            raise EngineError(f"the stream broke off: {error}") from None
        finally:
            self.close()
        if self._assembly.finish is None:
            raise EngineError("the stream broke off: it ended without a finish_reason", mend="stack logs MODEL")
        self._answer = Answer(
            text="".join(self._assembly.content),
            calls=self._assembly.calls(),
            reasoning="".join(self._assembly.reasoning),
            finish=self._assembly.finish,
            model=self._model,
            prompt_tokens=self._usage.get("prompt_tokens"),
            completion_tokens=self._usage.get("completion_tokens"),
        )

    def _take(self, data: str) -> Iterator[str]:
        try:
            event = json.loads(data)
        except ValueError:
            raise EngineError(f"the stream cannot be read: an event is not JSON: {data[:80]!r}") from None
        if not isinstance(event, dict) or event.get("error"):
            raise EngineError(_message(data.encode()) or f"the stream cannot be read: {data[:80]!r}")
        self._model = str(event.get("model") or self._model)
        if isinstance(event.get("usage"), dict):
            self._usage = event["usage"]
        for choice in event.get("choices") or ():
            before = len(self._assembly.content)
            self._assembly.feed(choice)
            yield from (piece for piece in self._assembly.content[before:] if piece)


def chat_body(prompt: str | Sequence[Message], model: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """A chat request. prompt: a user's message, or a whole conversation. Raises UsageError for what is set by us."""
    if wrong := [name for name in OURS if name in params]:
        raise UsageError(f"{wrong[0]} is not for params", mend="stream() streams" if wrong[0] == "stream" else "")
    if params.get("n") not in (None, 1):
        raise UsageError("n: one answer at a time", mend="ask again for another")
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    return {"model": model, "messages": messages, **{k: v for k, v in params.items() if v is not None}}


def refusal(status: int, content: bytes) -> StackError:
    """An error of the endpoint as one of ours."""
    text = _message(content) or f"the endpoint answers {status}"
    if status in (401, 403):
        return UsageError(text, mend="the endpoint's `keys` must be readable here")
    if status == 503 and _envelope(content).get("code") == "tools_failed":
        return ProbeFailed(text, mend="stack probe MODEL shows why")
    return UsageError(text) if 400 <= status < 500 and status != 429 else EngineError(text)


def _message(content: bytes) -> str:
    return str(_envelope(content).get("message") or "")


def _envelope(content: bytes) -> dict[str, Any]:
    try:
        error = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {"message": error}
