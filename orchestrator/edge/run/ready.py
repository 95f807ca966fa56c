"""When an engine is ready: it listens, and it does what its capabilities say (DESIGN.md, decision 7).

The tool path has its own proof, the probe: an engine may serve chat while its tools are still untested.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx

from orchestrator.core.launch import Capability, Launch
from orchestrator.core.wire.edits import LIMITS
from orchestrator.edge.run import samples
from orchestrator.edge.run.api import Upstream

POLL = 0.05


class NotReady(Exception):
    """Why an engine does not become ready, in a sentence."""


async def prove(launch: Launch, upstream: Upstream, alive: Callable[[], Awaitable[bool]]) -> None:
    """Returns once `launch.ready.path` answers 200 and one real request per capability has succeeded.

    Raises NotReady when the engine dies meanwhile or answers a capability wrongly. The caller sets the deadline.
    """
    headers = {"Authorization": f"Bearer {upstream.key}"} if upstream.key else {}
    async with httpx.AsyncClient(headers=headers, timeout=httpx.Timeout(600, connect=5), trust_env=False) as client:
        await _listens(client, launch, upstream, alive)
        defaults = {key: json.loads(value) for key, value in launch.defaults if key not in LIMITS}
        for capability in launch.capabilities:
            if capability in PROOFS:
                await PROOFS[capability](Ask(client, upstream, defaults))
    if not await alive():
        raise NotReady(f"the engine of {launch.model} ended, and something else answers in its place")


async def _listens(
    client: httpx.AsyncClient, launch: Launch, upstream: Upstream, alive: Callable[[], Awaitable[bool]]
) -> None:
    parts = urlsplit(upstream.base)
    url = f"{parts.scheme}://{parts.netloc}{launch.ready.path}"
    while True:
        try:
            if (await client.get(url, timeout=10)).status_code == 200:
                return
        except httpx.HTTPError:
            pass  # not yet: it may still be loading
        if not await alive():
            raise NotReady(f"the engine of {launch.model} ended before it listened")
        await asyncio.sleep(POLL)


async def _chats(ask: Ask) -> None:
    answer = await ask.json("/chat/completions", {"messages": _said("hello"), "max_tokens": 1})
    if not isinstance(answer.get("choices"), list) or not answer["choices"]:
        raise NotReady(f"a chat completion came back without choices: {str(answer)[:200]}")


async def _sees(ask: Ask) -> None:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": samples.image()}}]
    answer = await ask.json("/chat/completions", {"messages": _said(parts), "max_tokens": 1})
    if not isinstance(answer.get("choices"), list) or not answer["choices"]:
        raise NotReady(f"a chat completion about an image came back without choices: {str(answer)[:200]}")


async def _embeds(ask: Ask) -> None:
    """Two texts: two different vectors of one length, which is `dimensions` where that is asked for."""
    answer = await ask.json("/embeddings", {"input": ["hello", "a red square"]})
    try:
        one, two = (entry["embedding"] for entry in answer["data"])
        good = _numbers(one) and _numbers(two) and len(one) == len(two) and one != two
    except (KeyError, ValueError, TypeError):
        good = False
    if not good:
        raise NotReady(f"two embeddings did not come back as two vectors of one length: {str(answer)[:200]}")
    if (wanted := ask.defaults.get("dimensions")) is not None and len(one) != wanted:
        raise NotReady(f"an embedding has {len(one)} numbers, and `dimensions` is {wanted}")


async def _reranks(ask: Ask) -> None:
    """A score for each of two documents."""
    body = {"query": "What is the capital of France?", "documents": ["Paris is.", "A red square."]}
    answer = await ask.json("/rerank", body)
    try:
        scores = {entry["index"]: entry["relevance_score"] for entry in answer["results"]}
    except (KeyError, TypeError):
        scores = {}
    if set(scores) != {0, 1} or not _numbers(list(scores.values())):
        raise NotReady(f"two documents came back without a score for each: {str(answer)[:200]}")


async def _transcribes(ask: Ask) -> None:
    """Of a tone nothing can be said, so the text may be empty: but there must be one."""
    url = f"{ask.upstream.base}/audio/transcriptions"
    fields = {key: value if isinstance(value, str) else json.dumps(value) for key, value in ask.defaults.items()}
    fields |= {"model": ask.upstream.model, "response_format": "json"}
    reply = await ask.post(url, data=fields, files={"file": ("tone.wav", samples.sound(), "audio/wav")})
    if not isinstance(_object(url, reply).get("text"), str):
        raise NotReady(f"a recording came back without a transcript: {reply.text[:200]}")


async def _speaks(ask: Ask) -> None:
    url = f"{ask.upstream.base}/audio/speech"
    reply = await ask.post(url, json=ask.body({"input": "hello"}))
    kind = reply.headers.get("content-type", "")
    if reply.status_code != 200:
        hint = "" if "voice" in ask.defaults else " (if it needs a voice: `defaults: {voice: ...}`)"
        raise NotReady(f"{url} answers {reply.status_code}: {reply.text[:200]}{hint}")
    if not reply.content or kind.startswith(("application/json", "text/")):
        raise NotReady(f"{url} answers {len(reply.content)} bytes of {kind or 'nothing'}, and no audio")


PROOFS: Mapping[Capability, Callable[[Ask], Awaitable[None]]] = MappingProxyType(
    {
        "chat": _chats,
        "vision": _sees,
        "embed": _embeds,
        "rerank": _reranks,
        "transcribe": _transcribes,
        "speak": _speaks,
    }
)


@dataclass(frozen=True, slots=True)
class Ask:
    """One engine, and what every request to it carries. defaults: without a limit of the answer, which is ours."""

    client: httpx.AsyncClient
    upstream: Upstream
    defaults: Mapping[str, Any]

    def body(self, own: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.defaults, "model": self.upstream.model, **own}

    async def json(self, path: str, own: Mapping[str, Any]) -> dict[str, Any]:
        url = f"{self.upstream.base}{path}"
        return _object(url, await self.post(url, json=self.body(own)))

    async def post(self, url: str, **what: Any) -> httpx.Response:
        try:
            return await self.client.post(url, **what)
        except httpx.HTTPError as error:
            raise NotReady(f"{url} failed on a real request: {error!r}") from error


def _object(url: str, reply: httpx.Response) -> dict[str, Any]:
    try:
        answer = reply.json()
    except ValueError:
        answer = None
    if reply.status_code != 200 or not isinstance(answer, dict):
        raise NotReady(f"{url} answers {reply.status_code}: {reply.text[:200]}")
    return answer


def _said(content: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": content}]


def _numbers(values: object) -> bool:
    """A list of finite numbers that is not empty."""
    if not isinstance(values, list) or not values:
        return False
    return all(isinstance(value, int | float) and math.isfinite(value) for value in values)
