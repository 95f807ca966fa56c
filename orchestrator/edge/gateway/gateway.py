"""The one endpoint: who may ask for what, and which model answers."""

from __future__ import annotations

import contextlib
import difflib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from orchestrator.core.launch import Launch
from orchestrator.core.plan import Plan
from orchestrator.core.routing import edits
from orchestrator.core.wire.edits import UNCHANGED, Edits
from orchestrator.core.wire.form import Form
from orchestrator.core.wire.part import NotForm, boundary_of, content_type
from orchestrator.edge.gateway.answer import Answer, Refusal
from orchestrator.edge.gateway.client import Client
from orchestrator.edge.gateway.control import Control
from orchestrator.edge.gateway.guard import UNAUTHORIZED, Guard
from orchestrator.edge.gateway.judge import Judge
from orchestrator.edge.gateway.limits import Limits
from orchestrator.edge.gateway.metrics import Metrics
from orchestrator.edge.gateway.pool import Pools
from orchestrator.edge.gateway.request import Request
from orchestrator.edge.gateway.routes import FORMS, NATIVE, NEEDS, OPEN, PROXIED, READS, label
from orchestrator.edge.gateway.tripwire import Leases, Tripwire
from orchestrator.edge.run.api import Supervisor, Upstream

Tools = Literal["verified", "degraded", "failed", "untested", "none"]

_SEEING = ("chat", "messages", "responses")
_FIXED = b"accept-encoding: identity\r\ncontent-type: %b\r\n"


class Gateway:
    """verdicts: model id -> how its tool path was proven; findings: model id -> why it failed, in a sentence;
    keys: name -> secret, empty = open; ready: whether all that must be is."""

    def __init__(
        self,
        plan: Plan,
        supervisor: Supervisor,
        *,
        verdicts: Callable[[str], Tools],
        findings: Callable[[str], str | None],
        keys: Mapping[str, str],
        ready: Callable[[], bool],
        limits: Limits | None = None,
    ) -> None:
        self.supervisor: Leases = supervisor
        self.limits = limits or Limits()
        self.metrics = Metrics(supervisor.states)
        self.metrics.clients = lambda: len(self.clients)
        self.judge = Judge(self.metrics, self.limits.copy)
        self.pools = Pools(self.limits)
        self.clients: set[Client] = set()
        self.clock = time.monotonic  # uvloop's own clock counts whole milliseconds
        self.closing = False
        self.room = self.limits.connections
        self._names = plan.names
        self._native = {launch.model: frozenset(launch.native) for launch in plan.launches}
        self._capabilities = {launch.model: frozenset(launch.capabilities) for launch in plan.launches}
        self._blind = {launch.model for launch in plan.launches if _blind(plan, launch)}
        self._edits = {(name, path): edits(plan, name, path) for name in plan.names for path in PROXIED}
        self._edits = {key: found for key, found in self._edits.items() if found}
        self._watched = frozenset(key for found in self._edits.values() for key in found.keys)
        self._tools_required = plan.stack.probe.tools == "required"
        self._verdicts = verdicts
        self._findings = findings
        beside = ("gateway",) if plan.manager == "compose" else ()  # what shares its network calls it so
        self._guard = Guard(keys, (address for address, _ in plan.listen), (*plan.stack.endpoint.hosts, *beside))
        self._control = Control(plan, supervisor, verdicts, ready, self.metrics, int(time.time()))
        self._preambles: dict[tuple[str, str | None, str], bytes] = {}
        self._stamps = {launch.model: b"x-stack-model: %b\r\n" % launch.model.encode() for launch in plan.launches}
        self._held = 0

    # A request, step by step. Each step answers what ends it, or None.

    def admit(self, request: Request) -> Answer | None:
        """By its headers alone."""
        request.dialect = PROXIED.get(request.path, "other")
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal.answer(request.dialect)
        if request.path in PROXIED:
            request.watched = self._watched
            return None
        return self._control.answer(request.path, self._authorized(request))

    def take(self, request: Request, piece: bytes) -> Answer | None:
        """With a piece of its body."""
        kept = 0 if request.form is not None and request.form.begun else len(piece)
        if request.size + len(piece) > (self.limits.upload if request.streaming else self.limits.body):
            refusal: Refusal | None = self._too_large(request)
        elif kept and self._held + kept > self.limits.bodies:
            refusal = Refusal(503, "too many large requests at once", "busy", retry_after=1)
        else:
            self._held += kept
            request.held += kept
            refusal = request.feed(piece)
        if refusal is None:
            return None
        self.forget(request)
        return refusal.answer(request.dialect)

    def close(self, request: Request) -> Answer | None:
        """With all of its body: None means that a model answers it."""
        refusal = request.close() or self._unroutable(request)
        return refusal.answer(request.dialect) if refusal is not None else None

    def early(self, request: Request) -> Answer | None:
        """A form whose model is known, but not yet all of it: the same."""
        refusal = self._unroutable(request)
        return refusal.answer(request.dialect) if refusal is not None else None

    def forget(self, request: Request) -> None:
        """Its body is not needed any more."""
        self._held -= request.held
        request.held = 0
        request.forget()

    def let_go(self, request: Request) -> None:
        """Its body is not in memory any more."""
        self._held -= request.held
        request.held = 0

    def answered(self, request: Request | None, status: int) -> None:
        """We answered ourselves, without a model: for the metrics."""
        if request is not None:
            self.forget(request)
        self.metrics.series("", label(request.path) if request is not None else "none").done(status, 0.0, None)

    # For who watches the traffic

    def requests_of(self, model: str) -> int:
        """How many requests for a model have ended, however."""
        return self.metrics.requests_of(model)

    @contextlib.contextmanager
    def tripwire(self, model: str, ring: Callable[[], None]) -> Iterator[None]:
        """Calls `ring` before a request for the model gets its lease. One at a time."""
        direct = self.supervisor
        self.supervisor = Tripwire(direct, model, ring)
        try:
            yield
        finally:
            self.supervisor = direct

    # For the exchange

    def model_of(self, request: Request) -> str:
        """Only after `close` has found it."""
        assert request.found is not None
        assert request.found.model is not None
        return self._names[request.found.model]

    def edits(self, request: Request) -> Edits:
        """What is set in it and taken out of it."""
        assert request.found is not None
        assert request.found.model is not None
        return self._edits.get((request.found.model, request.path), UNCHANGED)

    def preamble(self, lease: Upstream, request: Request) -> bytes:
        """Request line, Host and key for the engine."""
        key = (lease.base, lease.key, request.path)
        plain = not request.query and request.path not in FORMS
        found = self._preambles.get(key) if plain else None
        if found is not None:
            return found
        pool = self.pools.of(lease.base)
        target = pool.path.encode() + request.path.removeprefix("/v1").encode("latin-1")
        if request.query:
            target += b"?" + request.query
        lines = [b"POST %b HTTP/1.1\r\n" % target, b"host: %b\r\n" % pool.host, _FIXED % request.kind]
        if lease.key is not None:
            lines.append(b"authorization: Bearer %b\r\n" % lease.key.encode())
            if request.path.startswith("/v1/messages"):
                lines.append(b"x-api-key: %b\r\n" % lease.key.encode())
        made = b"".join(lines)
        if plain and len(self._preambles) < 1024:
            self._preambles[key] = made
        return made

    def stamp(self, model: str) -> bytes:
        """The header line that says which model answered."""
        return self._stamps[model]

    # Ours

    def _refusal(self, request: Request) -> Refusal | None:
        own, path = request.own, request.path
        if request.twice:
            return Refusal(400, "a header that must be there once is there twice", "invalid_http")
        stranger = self._guard.stranger(own.get(b"host"), own.get(b"origin"))
        if stranger is not None:
            return stranger
        if path not in OPEN and not self._authorized(request):
            return UNAUTHORIZED
        if path in PROXIED:
            return self._bad_post(request)
        if not READS.fullmatch(path):
            return Refusal(404, f"there is no {path[:200]}", "not_found", retry=False)
        if request.method not in ("GET", "HEAD"):
            return Refusal(405, f"{path[:200]} takes GET", "method_not_allowed", allow="GET, HEAD")
        return None

    def _bad_post(self, request: Request) -> Refusal | None:
        if request.method != "POST":
            return Refusal(405, f"{request.path} takes POST", "method_not_allowed", allow="POST")
        if request.own.get(b"content-encoding", b"identity").lower() != b"identity":
            return Refusal(415, "compressed requests are not read here", "unsupported_encoding")
        is_form = request.path in FORMS
        most = self.limits.upload if is_form else self.limits.body
        if request.length is not None and request.length > most:
            return Refusal(413, f"the request is larger than {most} bytes", "request_too_large")
        if is_form:
            try:
                boundary = boundary_of(request.own.get(b"content-type", b""))
            except NotForm as bad:
                return Refusal(415, f"{request.path}: {bad}", "unsupported_media_type")
            request.form, request.kind = Form(boundary), content_type(boundary)
        return None

    def _authorized(self, request: Request) -> bool:
        return self._guard.authorized(request.own.get(b"authorization"), request.own.get(b"x-api-key"))

    def _unroutable(self, request: Request) -> Refusal | None:
        found = request.found
        if found is None or found.model is None:
            return Refusal(400, "the request names no `model`", "model_missing", param="model")
        model = self._names.get(found.model)
        if model is None:
            return self._unknown(found.model)
        if request.path in NATIVE and request.path not in self._native[model]:
            text = f"the engine of {model} does not serve {request.path}"
            return Refusal(501, text, "not_implemented", retry=False)
        need = NEEDS[request.path]
        if need not in self._capabilities[model]:
            has = ", ".join(sorted(self._capabilities[model]))
            text = f"{model} is not for {request.path}: its capabilities are {has} (models.{model}.capabilities)"
            return Refusal(400, text, "unsupported_capability", param="model")
        if model in self._blind and request.dialect in _SEEING and request.shows_images():
            has = ", ".join(sorted(self._capabilities[model]))
            text = f"{model} cannot see images: its capabilities are {has} (models.{model}.capabilities takes `vision`)"
            return Refusal(400, text, "unsupported_capability", param="messages")
        if found.tools and self._tools_required and self._verdicts(model) == "failed":
            why = self._findings(model) or "its tool path failed the probe"
            text = f"{model} is not served with tools: {why} (`stack probe {model}`, or probe.tools: warn)"
            return Refusal(503, text, "tools_failed", param="tools", retry=False)
        return None

    def _unknown(self, name: str) -> Refusal:
        shown = name[:128]
        near = difflib.get_close_matches(shown, self._names, n=3, cutoff=0.4) or sorted(self._native)[:5]
        text = f"there is no model {shown!r}; nearest: {', '.join(near)}"
        return Refusal(404, text, "model_not_found", param="model")

    def _too_large(self, request: Request) -> Refusal:
        if request.form is not None and not request.streaming:
            text = f"no `model` among its first {self.limits.body} bytes: put that field before the file"
            return Refusal(413, text, "request_too_large", param="model")
        most = self.limits.upload if request.streaming else self.limits.body
        return Refusal(413, f"the request is larger than {most} bytes", "request_too_large")


def _blind(plan: Plan, launch: Launch) -> bool:
    """An engine without eyes may leave images out without a word. What a server that somebody else runs can do is not
    known unless stack.yaml says so."""
    assumed = launch.owner == "external" and plan.stack.models[launch.model].capabilities is None
    return "vision" not in launch.capabilities and not assumed
