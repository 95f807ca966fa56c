"""One request of a client, as far as it has come in."""

from __future__ import annotations

from orchestrator.core.wire.form import Form
from orchestrator.core.wire.found import Found, NotJson
from orchestrator.core.wire.images import has_images
from orchestrator.core.wire.part import NotForm
from orchestrator.core.wire.rewrite import find
from orchestrator.core.wire.scanner import Scanner
from orchestrator.edge.gateway.answer import Answer, Dialect, Refusal

Headers = list[tuple[bytes, bytes]]

# Never passed on: hop-by-hop, the client's credentials, what belongs to this connection, and what would have an engine
# compress what we count or judge a page's origin a second time. The body is JSON whatever the client calls it (curl
# says form-urlencoded, and llama-swap would believe it), or a form whose boundary we have read: `kind` says so.
OWN = frozenset(
    b"host connection keep-alive proxy-connection te trailer transfer-encoding upgrade content-length expect "
    b"content-type content-encoding authorization proxy-authorization x-api-key api-key x-goog-api-key cookie "
    b"origin referer accept-encoding http2-settings forwarded x-forwarded-for x-forwarded-host "
    b"x-forwarded-proto x-real-ip".split()
)
_ONCE = frozenset((b"host", b"authorization", b"x-api-key", b"origin", b"content-length"))


class Request:
    """path: decoded as latin-1, without the query; passed: header lines for the engine; answer: set once we know it.

    keep: the connection may carry another request; modern: HTTP/1.1; size: bytes of the body that came in; held: those
    of them that are in memory. form: reads the body where it is no JSON; streaming: it goes to the engine while it
    comes in; watched: parameters to look for; kind: the body's type, for the engine.
    """

    __slots__ = (
        "_body",
        "_scanner",
        "answer",
        "dialect",
        "form",
        "found",
        "held",
        "keep",
        "kind",
        "length",
        "method",
        "modern",
        "own",
        "passed",
        "path",
        "query",
        "size",
        "streaming",
        "twice",
        "watched",
    )

    def __init__(self, method: str, url: bytes, headers: Headers, keep: bool, modern: bool) -> None:
        path, _, self.query = url.partition(b"?")
        self.path = path.decode("latin-1")
        self.method = method
        self.keep = keep
        self.modern = modern
        self.answer: Answer | None = None
        self.dialect: Dialect = "other"
        self.found: Found | None = None
        self.size = self.held = 0
        self.twice = self.streaming = False
        self.form: Form | None = None
        self.kind = b"application/json"
        self.watched: frozenset[str] = frozenset()
        self._body: bytes | bytearray = b""
        self._scanner: Scanner | None = None
        self.own: dict[bytes, bytes] = {}
        lines = []
        for name, value in headers:
            if name not in OWN:
                lines.append(b"%b: %b\r\n" % (name, value))
            elif name in self.own and name in _ONCE:
                self.twice = True
            else:
                self.own[name] = value
        if b"connection" in self.own:
            lines = _without(lines, self.own[b"connection"])
        self.passed = b"".join(lines)
        length = self.own.get(b"content-length", b"")
        self.length = int(length) if length.isdigit() else None

    def feed(self, data: bytes) -> Refusal | None:
        """A piece of the body. The first is only kept: if it is all, it need not be scanned in pieces."""
        self.size += len(data)
        if self.form is not None:
            return self._fill(self.form, data)
        if not self._body:
            self._body = data
            return None
        try:
            if self._scanner is None:
                self._scanner = Scanner(self.watched)
                first, self._body = self._body, bytearray(self._body)
                self._scanner.feed(bytes(first))
            self._scanner.feed(data)
        except NotJson as bad:
            return not_json(bad)
        self._body += data
        return None

    def close(self) -> Refusal | None:
        """The body is complete: finds `model`, or says why not."""
        try:
            if self.form is not None:
                self.form.close()
            else:
                self.found = self._scanner.close() if self._scanner else find(self.body, self.watched)
        except NotJson as bad:
            return not_json(bad)
        except NotForm as bad:
            return not_form(bad)
        return None

    def _fill(self, form: Form, data: bytes) -> Refusal | None:
        try:
            form.feed(data)
        except NotForm as bad:
            return not_form(bad)
        if self.found is None and form.model is not None:
            self.found = Found(form.model, (0, 0), False)
        return None

    @property
    def body(self) -> bytes:
        return self._body if isinstance(self._body, bytes) else bytes(self._body)

    @property
    def declaring(self) -> bytes | bytearray | None:
        """The body, not copied, if it declares tools: for counting."""
        return self._body if self.found is not None and self.found.tools else None

    def shows_images(self) -> bool:
        return has_images(self._body)

    def forget(self) -> None:
        """Lets go of the body."""
        self._body, self._scanner, self.form = b"", None, None


def not_json(bad: NotJson) -> Refusal:
    return Refusal(400, f"could not read the request: {bad}", "invalid_json")


def not_form(bad: NotForm) -> Refusal:
    return Refusal(400, f"could not read the request: {bad}", "invalid_form")


def _without(lines: list[bytes], connection: bytes) -> list[bytes]:
    """The header lines that `Connection` does not name."""
    named = {token.strip().lower() for token in connection.split(b",")} - {b"keep-alive", b"close"}
    return [line for line in lines if line.partition(b":")[0] not in named] if named else lines
