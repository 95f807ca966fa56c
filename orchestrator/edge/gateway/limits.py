"""What one client may take. Bytes and seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """body: of one request; bodies: of all requests that wait or are read at once; head: request line and headers;
    upload: of a form that goes to its engine while it comes in, of which no more than `ahead` is held.

    head_time, body_time: to the end of the headers, and between two pieces of the body; keep_alive: an idle client's
    connection; connect: to an engine; idle: an unused connection to an engine, below the 5 s of uvicorn's servers;
    idle_far: the same over TLS, which is dear to open; hold: of an answer that is no stream, kept back so that a dying
    engine is a 502; copy: of answers that wait to be counted; connections: of clients. There is no limit on the time
    of an answer: that is the engine's.
    """

    body: int = 32 << 20
    upload: int = 1 << 30
    ahead: int = 256 << 10
    bodies: int = 256 << 20
    head: int = 64 << 10
    head_time: float = 30.0
    body_time: float = 30.0
    keep_alive: float = 75.0
    connect: float = 5.0
    idle: float = 4.0
    idle_far: float = 60.0
    hold: int = 1 << 20
    copy: int = 8 << 20
    connections: int = 8192
