"""One POST on a connection of its own, with its bytes as they come. asyncio's streams and httptools: a general client
takes four times the processor's time, which a probe of many small replies would show as the engine's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import httptools

PIECE = 64 << 10
Take = Callable[[bytes], bool]
"""A piece of the body; returns whether more is wanted."""


class CannotConnect(OSError):
    """There is no connection to that server."""


class BadReply(OSError):
    """The reply broke off, or is no HTTP."""


class Head:
    """status: 0 until the head is here; headers: lower-case names."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}


async def post(url: str, headers: Mapping[str, str], body: bytes, head: Head, take: Take, connect: float) -> None:
    """Returns at the end of the reply, or when `take` wants no more. Redirects are replies. connect: seconds.

    Raises CannotConnect, BadReply."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    try:
        port = parts.port or (443 if secure else 80)
        async with asyncio.timeout(connect):
            reader, writer = await asyncio.open_connection(
                parts.hostname, port, ssl=ssl.create_default_context() if secure else None
            )
    except TimeoutError:
        raise CannotConnect(f"no connection within {connect:g} s") from None
    except (OSError, ValueError) as error:
        raise CannotConnect(str(error) or type(error).__name__) from None
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        sent = {"Host": parts.netloc.rpartition("@")[2], **headers, "Content-Length": str(len(body))}
        lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await _receive(reader, _Reply(head, take))
    except httptools.HttpParserError as error:
        raise BadReply(f"not HTTP: {error}") from None
    except OSError as error:
        raise BadReply(str(error) or type(error).__name__) from None
    finally:
        writer.close()


async def _receive(reader: asyncio.StreamReader, reply: _Reply) -> None:
    parser = httptools.HttpResponseParser(reply)
    while not reply.done:
        data = await reader.read(PIECE)
        if not data:
            if reply.framed or not reply.head.status:
                raise BadReply("the server closed the connection in the middle of the reply")
            return
        parser.feed_data(data)
        if reply.status is None and reply.begun:
            reply.status = parser.get_status_code()
            reply.head.status = reply.status


class _Reply:
    """What httptools calls. framed: the reply says itself where it ends, so the end of the connection is not that."""

    def __init__(self, head: Head, take: Take) -> None:
        self.head, self._take = head, take
        self.status: int | None = None
        self.begun = self.done = self.framed = False

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        self.head.headers[key] = value.decode("latin-1")
        self.framed |= key in ("content-length", "transfer-encoding")

    def on_headers_complete(self) -> None:
        self.begun = True

    def on_body(self, data: bytes) -> None:
        self.done |= not self._take(data)

    def on_message_complete(self) -> None:
        self.done = True
