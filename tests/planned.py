"""Values that plans are made of, and plans of them: for tests of the pure middle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.core.host import Apple, Engine, Host
from orchestrator.core.plan import Plan
from orchestrator.core.planner.planning import plan
from orchestrator.core.spec import Stack
from orchestrator.core.weights import KvGroup, Weights
from orchestrator.edge.discover import backends

GIB = 2**30
MIB = 2**20

HERMES = "{% if tools %}<tool_call>{{ tool_call.name }}{% endif %}"
CODER = "{% if tools %}<tool_call>\n<function=x>{% endif %}"
HARMONY = "{% if tools %}<|channel|>commentary{% endif %}"
THINKER = HERMES + "<think>"

ENGINES = {
    "mlx-lm": Engine("/opt/mlx_lm.server", "0.32.2", "PATH"),
    "vllm-mlx": Engine("/opt/vllm-mlx", "0.6.0", "PATH"),
    "llama-cpp": Engine("/opt/llama-server", "6800", "PATH"),
}
SWAP = Engine("/opt/llama-swap", "250", "PATH")


def linux(memory: int = 16 * GIB, engines: Mapping[str, Engine] = ENGINES, swap: Engine | None = SWAP) -> Host:
    return Host("linux", "x86_64", memory, cores=8, engines=dict(engines), llama_swap=swap)


def mac(memory: int = 128 * GIB, wired: int = 96 * GIB, engines: Mapping[str, Engine] = ENGINES) -> Host:
    return Host("macos", "arm64", memory, apple=Apple("Apple M4 Max", wired), engines=dict(engines), llama_swap=SWAP)


def weights(
    path: str = "/w/tiny", size: int = 2 * MIB, context: int = 8192, template: str = HERMES, **more: Any
) -> Weights:
    """The self-test model's shape: 5 layers of 256 values."""
    return Weights(
        **{
            "path": path,
            "size": size,
            "model_type": "qwen2",
            "context": context,
            "kv": (KvGroup(5, 256),),
            "template": template,
            "digest": "d" * 8,
            **more,
        }
    )


def stack(models: Mapping[str, Any], **top: Any) -> Stack:
    return Stack.model_validate({"version": 1, "models": models, **top})


def local(path: str = "/w/tiny", backend: str = "mlx-lm", **model: Any) -> dict[str, Any]:
    """A model with one source on disk."""
    return {"sources": {backend: {"path": path}}, **model}


def planned(
    made: Stack,
    host: Host | None = None,
    known: Mapping[str, Weights] | None = None,
    *,
    force: frozenset[str] = frozenset(),
    name: str = "t",
) -> Plan:
    """A plan; without `known` every path of the stack holds the self-test model."""
    if known is None:
        sources = [s for model in made.models.values() for _, _, s in model.ordered_sources() if s.path]
        known = {s.path: weights(s.path) for s in sources if s.path}
    return plan(made, host or linux(), known, name=name, backends=backends(), force=force)


def said(plan: Plan, subject: str, what: str) -> tuple[str, str]:
    """(value, reason) of a decision."""
    return next((d.value, d.reason) for d in plan.decisions if (d.subject, d.what) == (subject, what))


def argv(plan: Plan, model: str) -> tuple[str, ...]:
    return plan.launch(model).how.argv  # type: ignore[union-attr]


def after(words: tuple[str, ...], flag: str) -> str:
    """The value that follows a flag."""
    return words[words.index(flag) + 1]
