"""When an engine is ready: it listens, and it does what its capabilities say (DESIGN.md, decision 7).

The tool path has its own proof, the probe: an engine may serve chat while its tools are still untested.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from orchestrator.core.launch import Launch
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
        if "chat" in launch.capabilities:
            await _chats(client, upstream)
        if "embed" in launch.capabilities:
            await _embeds(client, upstream)


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


async def _chats(client: httpx.AsyncClient, upstream: Upstream) -> None:
    body = {"model": upstream.model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}
    answer = await _ask(client, f"{upstream.base}/chat/completions", body)
    if not isinstance(answer.get("choices"), list) or not answer["choices"]:
        raise NotReady(f"a chat completion came back without choices: {str(answer)[:200]}")


async def _embeds(client: httpx.AsyncClient, upstream: Upstream) -> None:
    answer = await _ask(client, f"{upstream.base}/embeddings", {"model": upstream.model, "input": "hello"})
    try:
        vector = answer["data"][0]["embedding"]
    except (KeyError, IndexError, TypeError):
        vector = None
    if not isinstance(vector, list) or not vector:
        raise NotReady(f"an embedding came back without a vector: {str(answer)[:200]}")


async def _ask(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> dict[str, Any]:
    try:
        reply = await client.post(url, json=body)
        answer = reply.json()
    except (httpx.HTTPError, ValueError) as error:
        raise NotReady(f"{url} failed on a real request: {error!r}") from error
    if reply.status_code != 200 or not isinstance(answer, dict):
        raise NotReady(f"{url} answers {reply.status_code}: {reply.text[:200]}")
    return answer
