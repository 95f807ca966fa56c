"""edge/gateway/guard.py: Host and Origin against DNS rebinding, keys."""

from __future__ import annotations

import pytest

from orchestrator.edge.gateway.guard import Guard

LOOPBACK = Guard({}, ("127.0.0.1", "::1"), ("studio.local",))
ANYWHERE = Guard({"k": "s"}, ("0.0.0.0",), ())
LAN = Guard({"k": "s"}, ("192.168.1.5", "stack.lan"), ())


@pytest.mark.parametrize(
    ("guard", "host", "good"),
    [
        (LOOPBACK, b"127.0.0.1:8484", True),
        (LOOPBACK, b"127.1.2.3", True),
        (LOOPBACK, b"[::1]:8484", True),
        (LOOPBACK, b"localhost", True),
        (LOOPBACK, b"localhost.", True),
        (LOOPBACK, b"Studio.Local:1", True),
        (LOOPBACK, b"192.168.1.5", False),
        (LOOPBACK, b"127.0.0.1.nip.io", False),
        (LOOPBACK, b"127.0.0.1@evil.example", False),
        (LOOPBACK, b"localhost:99999999", False),
        (LOOPBACK, b"localhost evil", False),
        (LOOPBACK, b"", False),
        (LOOPBACK, b"\xff", False),
        (ANYWHERE, b"192.168.1.5:8484", True),
        (ANYWHERE, b"[fd00::1]:8484", True),
        (ANYWHERE, b"evil.example", False),
        (LAN, b"192.168.1.5", True),
        (LAN, b"stack.lan:80", True),
        (LAN, b"192.168.1.6", False),
    ],
)
def test_host(guard: Guard, host: bytes, good: bool) -> None:
    for _ in range(2):  # the second time it is remembered
        refusal = guard.stranger(host, None)
        assert (refusal is None) == good
    origin = guard.stranger(b"localhost", b"https://" + host)
    assert (origin is None) == good
    if origin is not None:
        assert origin.status == 403


def test_no_host_and_odd_origins() -> None:
    assert (refusal := LOOPBACK.stranger(None, None)) is not None
    assert refusal.status == 400
    for origin in (b"null", b"", b"localhost", b"http://localhost/path", b"file://", b"http://evil.example:8484"):
        assert LOOPBACK.stranger(b"localhost", origin) is not None, origin
    assert LOOPBACK.stranger(b"localhost", b"tauri://localhost") is None


def test_what_is_remembered_is_bounded() -> None:
    guard = Guard({}, ("0.0.0.0",), ())
    for n in range(2000):
        assert guard.stranger(b"10.0.%d.%d" % (n // 250, n % 250), None) is None
    assert len(guard._good_hosts) <= 256


@pytest.mark.parametrize(
    ("authorization", "api_key", "good"),
    [
        (b"Bearer one", None, True),
        (b"bearer  two", None, True),
        (None, b"one", True),
        (b"Basic xx", b"two", True),
        (b"Bearer three", b"one", False),
        (b"Bearer", None, False),
        (b"Bearer onetwo", None, False),
        (None, b"", False),
        (None, None, False),
        (b"Bearer \xff", None, False),
    ],
)
def test_keys(authorization: bytes | None, api_key: bytes | None, good: bool) -> None:
    guard = Guard({"laptop": "one", "ci": "two"}, ("127.0.0.1",), ())
    assert guard.authorized(authorization, api_key) == good
    assert Guard({}, ("127.0.0.1",), ()).authorized(authorization, api_key)
