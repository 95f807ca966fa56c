"""What a client's connection brings, as HTTP/1.1: heads collected and bounded, bodies handed on piece by piece."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import httptools

from orchestrator.edge.gateway.answer import Answer, Refusal

if TYPE_CHECKING:
    from orchestrator.edge.gateway.gateway import Gateway
    from orchestrator.edge.gateway.request import Headers

log = logging.getLogger(__name__)


class Incoming(asyncio.Protocol, ABC):
    """A Client (client.py) is one, and answers. httptools calls the methods that begin with `on_`."""

    __slots__ = ("_gateway", "_head_size", "_headers", "_in_head", "_last", "_owed", "_parser", "_since", "_url")

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._parser = httptools.HttpRequestParser(self)
        self._in_head = False
        self._last = False
        self._url = b""
        self._headers: Headers = []
        self._head_size = 0
        self._owed = 0
        self._since = 0.0

    def data_received(self, data: bytes) -> None:
        if self._last:
            return
        if self._owed:
            self._rest(data)
            return
        in_head = self._in_head
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._rest(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError:
            log.exception("while reading a request")
            self._refuse_now(Refusal(500, "internal error", "internal_error"))
        except httptools.HttpParserError:
            self._refuse_now(Refusal(400, "this is not HTTP/1.1", "invalid_http"))
        if in_head and self._in_head:
            self._head_size += len(data)
            if self._head_size > self._gateway.limits.head:
                self._refuse_now(self._head_too_large())

    def on_message_begin(self) -> None:
        self._in_head = True
        self._url = b""
        self._headers = []
        self._head_size = 0
        self._since = self._gateway.clock()

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._head_size += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))
        self._head_size += len(name) + len(value) + 4

    @abstractmethod
    def on_body(self, body: bytes) -> None:
        """A piece of the body."""

    @abstractmethod
    def on_message_complete(self) -> None:
        """All of the request has come."""

    @abstractmethod
    def _refuse_now(self, what: Refusal | Answer) -> None:
        """Answers, and reads no more from this client."""

    def _rest(self, data: bytes) -> None:
        """The body of a request that offers an upgrade (Java's client does). llhttp leaves it to us, we to HTTP/1.1."""
        if self._owed:
            data = data[: self._owed]
            self._owed -= len(data)
            self.on_body(data)
            if not self._owed:
                self.on_message_complete()

    def _head_too_large(self) -> Refusal:
        return Refusal(431, f"the headers are larger than {self._gateway.limits.head} bytes", "headers_too_large")
