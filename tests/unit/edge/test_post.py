"""One POST over a real socket: how replies may end, and what a broken one is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from orchestrator.edge.probe.post import BadReply, CannotConnect, Head, post

Exchange = tuple[Head, bytes, bytes]


def played(answer: bytes, take: Callable[[bytes], bool] | None = None, *, abort: bool = False) -> Exchange:
    """What comes of a server that answers so, and what it was sent."""
    asked = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.extend(await reader.readuntil(b"}"))
        writer.write(answer)
        if abort:
            await writer.drain()
            writer.transport.abort()
        else:
            writer.close()

    async def run() -> Exchange:
        head, body = Head(), bytearray()

        def whole(piece: bytes) -> bool:
            body.extend(piece)
            return True if take is None else take(piece)

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await post(f"http://127.0.0.1:{port}/v1/x?y=1", {"A": "b"}, b'{"a":1}', head, whole, 5)
        return head, bytes(body), bytes(asked)

    return asyncio.run(run())


def test_a_reply_of_known_length() -> None:
    head, body, asked = played(b"HTTP/1.1 200 OK\r\nX-Y: Z\r\nContent-Length: 2\r\n\r\nhi")
    assert (head.status, head.headers["x-y"], body) == (200, "Z", b"hi")
    assert asked.startswith(b"POST /v1/x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nA: b\r\nContent-Length: 7\r\n\r\n" in asked


def test_chunks_and_a_reply_that_ends_with_its_connection() -> None:
    assert played(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")[1] == b"hi"
    assert played(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")[1] == b"all of it"


def test_a_redirect_is_a_reply() -> None:
    head, _, _ = played(b"HTTP/1.1 307 x\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n")
    assert (head.status, head.headers["location"]) == (307, "http://elsewhere/")


def test_who_wants_no_more_gets_no_more() -> None:
    assert played(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\nhi", lambda piece: False)[1] == b"hi"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "in the middle"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "in the middle"),
        (b"", "in the middle"),
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP"),
    ],
)
def test_what_breaks_off_or_is_no_http(answer: bytes, why: str) -> None:
    with pytest.raises(BadReply, match=why):
        played(answer)


def test_a_connection_that_is_reset() -> None:
    with pytest.raises(BadReply):
        played(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", abort=True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://127.0.0.1:99999/", "http://no-such-host.invalid/"])
def test_nobody_there(url: str) -> None:
    with pytest.raises(CannotConnect):
        asyncio.run(post(url, {}, b"{}", Head(), lambda piece: True, 5))
