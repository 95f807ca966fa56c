"""What is read with GET: models, health, readiness, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from orchestrator.core.plan import Plan
from orchestrator.edge.gateway.answer import Answer, Refusal, to_bytes
from orchestrator.edge.gateway.metrics import Metrics
from orchestrator.edge.gateway.routes import MODEL
from orchestrator.edge.run.api import Supervisor

_TEXT = b"text/plain; version=0.0.4; charset=utf-8"


class Control:
    """created: unix time that the models' `created` shows."""

    def __init__(
        self,
        plan: Plan,
        supervisor: Supervisor,
        verdicts: Callable[[str], str],
        ready: Callable[[], bool],
        metrics: Metrics,
        created: int,
    ) -> None:
        self._plan = plan
        self._supervisor = supervisor
        self._verdicts = verdicts
        self._ready = ready
        self._metrics = metrics
        self._created = created

    def answer(self, path: str, authorized: bool) -> Answer:
        if path == "/healthz":
            return Answer(200, b'{"status":"ok"}')
        if path == "/readyz":
            return self._readyz(authorized)
        if path == "/metrics":
            return Answer(200, self._metrics.text(), kind=_TEXT)
        if path == "/v1/models":
            models = [self._model(name) for launch in self._plan.launches for name in self._listed(launch.model)]
            return Answer(200, to_bytes({"object": "list", "data": models}))
        name = unquote(path.removeprefix(MODEL))
        model = self._plan.names.get(name)
        if model is None:
            return Refusal(404, f"there is no model {name[:128]!r}", "model_not_found", param="model").answer("other")
        return Answer(200, to_bytes(self._model(name if name in self._listed(model) else model)))

    def _readyz(self, authorized: bool) -> Answer:
        ready = self._ready()
        said: dict[str, Any] = {"ready": ready}
        if authorized:
            states = self._supervisor.states()
            said["models"] = {s.model: {"state": s.state, "tools": self._verdicts(s.model)} for s in states}
        return Answer(200 if ready else 503, to_bytes(said))

    def _listed(self, model: str) -> tuple[str, ...]:
        """What a client may choose from: aliases and roles are the same again, variants are not."""
        return model, *self._plan.stack.models[model].variants

    def _model(self, name: str) -> dict[str, Any]:
        """name: a model's id, or that of a variant."""
        model = self._plan.names[name]
        launch = self._plan.launch(model)
        state = next((s.state for s in self._supervisor.states() if s.model == model), "stopped")
        stack: dict[str, Any] = {
            "state": state,
            "tools": self._verdicts(model),
            "backend": launch.backend,
            "context": launch.serving.context,
            "capabilities": list(launch.capabilities),
            "names": sorted(name for name, of in self._plan.names.items() if of == model and name != model),
        }
        if name != model:
            stack["variant_of"] = model
        return {
            "id": name,
            "object": "model",
            "created": self._created,
            "owned_by": "stack",
            "meta": {"stack": stack},
        }
