"""One JSON request to an attached server, with errors that name it and say what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from orchestrator.errors import EngineError

LOOK = httpx.Timeout(10, connect=5)
WORK = httpx.Timeout(None, connect=5)
"""For what loads or pulls a model: that may take as long as it takes."""


@dataclass(frozen=True, slots=True)
class Server:
    """name: `ollama`; root: its address without a path; key: bearer token, None = none; start: what makes it run."""

    name: str
    root: str
    start: str
    key: str | None = None

    @property
    def words(self) -> str:
        return f"{self.name} at {self.root}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def client(self, timeout: httpx.Timeout = LOOK) -> httpx.Client:
        return httpx.Client(base_url=self.root, headers=self.headers, timeout=timeout, trust_env=False)

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout: httpx.Timeout = LOOK
    ) -> tuple[int, dict[str, Any]]:
        """(status, the answer's JSON object). Raises EngineError: it does not answer, or not in JSON."""
        try:
            with self.client(timeout) as client:
                reply = client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise self.silent(error) from None
        return reply.status_code, self.read(path, reply.status_code, reply.content)

    async def ask_async(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, timeout: httpx.Timeout = LOOK
    ) -> tuple[int, dict[str, Any]]:
        """The same for the daemon."""
        try:
            async with httpx.AsyncClient(headers=self.headers, timeout=timeout, trust_env=False) as client:
                reply = await client.request(method, self.root + path, json=body)
        except httpx.HTTPError as error:
            raise self.silent(error) from None
        return reply.status_code, self.read(path, reply.status_code, reply.content)

    def silent(self, error: httpx.HTTPError) -> EngineError:
        return EngineError(f"{self.words} does not answer: {error or type(error).__name__}", mend=self.start)

    def read(self, path: str, status: int, content: bytes) -> dict[str, Any]:
        if status in (401, 403):
            raise EngineError(f"{self.words} answers {status} to {path}", mend="give the source its `key`")
        try:
            answer = json.loads(content or b"{}")
            if isinstance(answer, dict):
                return answer
        except ValueError:
            pass
        raise self.strange(path, f"{status}: {content[:100]!r}")

    def strange(self, path: str, what: object) -> EngineError:
        return EngineError(f"{self.words} is no {self.name}: {path} answers {what}", mend="look at the source's `url`")
