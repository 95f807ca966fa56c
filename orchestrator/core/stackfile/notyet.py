"""What stack.yaml may already say and this version cannot do: `stack check` warns, `plan` refuses. Never ignored.

An issue that implements something takes its line out of these tables.
"""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.core.spec import EngineChoice, Model, Source, Stack
from orchestrator.core.trouble import Steps, path
from orchestrator.errors import Problem

BACKENDS = ("vllm", "ollama", "command", "lm-studio", "rapid-mlx", "transformers", "apple-foundation")
CAPABILITIES = ("vision", "rerank", "transcribe", "speak")
MODEL_KEYS = ("defaults", "strip", "variants", "gpus", "tensor_parallel")
SOURCE_KEYS = ("mmproj", "draft")
MEMORY_KEYS = ("gpu", "host")
ENGINE_KEYS = ("image",)
VALUES = (("residency", "sleep"),)
STACK_VALUES = (("probe", "on_up", ("full",)), ("service", "", ("login", "boot")))
BUDGET_KEYS = ("gpu",)


def not_yet(stack: Stack) -> tuple[Problem, ...]:
    """Each place as a Problem without a line, in the file's order of models."""
    return tuple(
        Problem(path(steps), f"not yet: {what} is known, but this version cannot do it")
        for steps, what in _found(stack)
    )


def _found(stack: Stack) -> Iterator[tuple[Steps, str]]:
    for key in BUDGET_KEYS:
        if getattr(stack.budget, key):
            yield ("budget", key), f"`{key}`"
    for backend, settings in stack.backends.items():
        if backend in BACKENDS:
            yield ("backends", backend), f"backend `{backend}`"
        yield from _engine(("backends", backend, "engine"), settings.engine)
    for name, model in stack.models.items():
        yield from _model(("models", name), model)
    for key, below, values in STACK_VALUES:
        value = getattr(getattr(stack, key), below) if below else getattr(stack, key)
        if value in values:
            yield (key, below) if below else (key,), f"`{below or key}: {value}`"


def _model(at: Steps, model: Model) -> Iterator[tuple[Steps, str]]:
    for key, value in VALUES:
        if getattr(model, key) == value:
            yield (*at, key), f"`{key}: {value}`"
    for i, capability in enumerate(model.capabilities or ()):
        if capability in CAPABILITIES:
            yield (*at, "capabilities", i), f"capability `{capability}`"
    for key in MODEL_KEYS:
        if getattr(model, key):
            yield (*at, key), f"`{key}`"
    for key in MEMORY_KEYS:
        if getattr(model.memory, key):
            yield (*at, "memory", key), f"`memory.{key}`"
    for i, (key, backend, source) in enumerate(model.ordered_sources()):
        yield from _source((*at, "sources", key if isinstance(model.sources, dict) else i), backend, source)


def _source(at: Steps, backend: str, source: Source) -> Iterator[tuple[Steps, str]]:
    if backend in BACKENDS:
        yield at, f"backend `{backend}`"
    for key in SOURCE_KEYS:
        if getattr(source, key) is not None:
            yield (*at, key), f"`{key}`"
    if source.engine:
        yield from _engine((*at, "engine"), source.engine)


def _engine(at: Steps, engine: EngineChoice) -> Iterator[tuple[Steps, str]]:
    for key in ENGINE_KEYS:
        if getattr(engine, key) is not None:
            yield (*at, key), f"`engine.{key}`"


def not_yet_words() -> str:
    """The tables above as a section of docs/stack-yaml.md."""
    keys = [f"models.NAME.{key}" for key in MODEL_KEYS] + [f"models.NAME.memory.{key}" for key in MEMORY_KEYS]
    keys += [f"budget.{key}" for key in BUDGET_KEYS] + [f"engine.{key}" for key in ENGINE_KEYS]
    keys += [f"sources.NAME.{key}" for key in SOURCE_KEYS]
    keys += [f"{key}: {value}" for key, value in VALUES]
    keys += [
        f"{f'{key}.{below}' if below else key}: {value}" for key, below, values in STACK_VALUES for value in values
    ]
    lines = ["## Not yet", "`stack check` warns of these, `stack plan` refuses them: a later version does them."]
    rows = {"backends": BACKENDS, "capabilities": CAPABILITIES, "keys": tuple(keys)}
    lines += [f"- {title}: {', '.join(f'`{one}`' for one in names)}" for title, names in rows.items() if names]
    return "\n".join(lines) + "\n"
