"""Who may ask: names against DNS rebinding, keys. Pure, and on the hot path."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from hmac import compare_digest

from orchestrator.edge.gateway.answer import Refusal

_HOST = re.compile(r"(\[[0-9a-fA-F:.%]+\]|[^\[\]:/@\s]*)(?::\d{1,5})?")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#\s]*)", re.IGNORECASE)
_WILDCARDS = ("0.0.0.0", "::")
_REMEMBERED = 256


class Guard:
    """keys: name -> secret, none = open; listen: the addresses bound; hosts: further names (`endpoint.hosts`)."""

    def __init__(self, keys: Mapping[str, str], listen: Iterable[str], hosts: Iterable[str]) -> None:
        listen = tuple(listen)
        self._keys = tuple(key.encode() for key in keys.values())
        self._names = {"localhost", "[::1]", *(h.lower() for h in hosts)}
        self._names |= {f"[{a}]" if ":" in a else a.lower() for a in listen if a not in _WILDCARDS}
        self._any_address = any(a in _WILDCARDS for a in listen)
        self._good_hosts: set[bytes] = set()
        self._good_origins: set[bytes] = set()

    def stranger(self, host: bytes | None, origin: bytes | None) -> Refusal | None:
        """Why the Host or Origin header is not ours. A page whose name was bound to our address shows it there."""
        if host is None:
            return Refusal(400, "the request has no Host header", "host_missing")
        if host not in self._good_hosts and not self._ours(host, host.decode("latin-1"), self._good_hosts):
            text = f"this server does not answer for the host {host[:200].decode('latin-1')!r}: see endpoint.hosts"
            return Refusal(421, text, "host_refused")
        if origin is not None and origin not in self._good_origins:
            hit = _ORIGIN.fullmatch(origin.decode("latin-1"))
            if not hit or not self._ours(origin, hit[1], self._good_origins):
                text = f"requests from pages of {origin[:200].decode('latin-1')!r} are refused: see endpoint.hosts"
                return Refusal(403, text, "origin_refused")
        return None

    def authorized(self, authorization: bytes | None, api_key: bytes | None) -> bool:
        """Whether one of the two headers carries one of the keys. Every key is compared, in constant time."""
        if not self._keys:
            return True
        given = api_key
        if authorization is not None:
            scheme, _, token = authorization.partition(b" ")
            given = token.strip() if scheme.lower() == b"bearer" else None
            if given is None:
                given = api_key
        if given is None:
            return False
        found = False
        for key in self._keys:
            found |= compare_digest(given, key)
        return found

    def _ours(self, raw: bytes, netloc: str, remembered: set[bytes]) -> bool:
        hit = _HOST.fullmatch(netloc)
        if not hit:
            return False
        name = hit[1].lower().rstrip(".")
        if name not in self._names and not self._is_our_address(name.strip("[]")):
            return False
        if len(remembered) < _REMEMBERED:
            remembered.add(raw)
        return True

    def _is_our_address(self, name: str) -> bool:
        """An address in the header is no name that could be bound anew; only a wildcard bind answers to all of them."""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self._any_address


UNAUTHORIZED = Refusal(
    401, "a key is needed: Authorization: Bearer KEY, or x-api-key: KEY", "invalid_api_key", retry=False
)
