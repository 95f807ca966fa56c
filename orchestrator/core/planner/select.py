"""Which source of a model runs, and in which engine: the first that can, with the reason that each other cannot."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from orchestrator.core.backend import Backend, Backends
from orchestrator.core.engines import PROGRAMS
from orchestrator.core.fields import is_loopback
from orchestrator.core.host import Engine, Host
from orchestrator.core.plan import CONTAINED, Manager, Skipped
from orchestrator.core.spec import EngineChoice, Model, Source, Stack
from orchestrator.core.trouble import path
from orchestrator.core.weights import Weights, weights_key

APPLE = ("vllm-mlx", "mlx-lm", "llama-cpp")
CUDA = ("vllm", "llama-cpp")
CPU = ("llama-cpp", "mlx-lm", "vllm-mlx", "vllm")
REST = ("rapid-mlx", "lm-studio", "ollama", "apple-foundation", "transformers", "command", "openai")


@dataclass(frozen=True, slots=True)
class Chosen:
    """where: the source's place in stack.yaml; weights None: not known yet; reason: why this one; image: the container
    image that runs it, "" = a process of `engine`."""

    model_id: str
    model: Model
    where: str
    backend: Backend
    source: Source
    engine: Engine | None
    weights: Weights | None
    reason: str
    image: str = ""


Fits = Callable[[Chosen], str | None]
"""Why a source does not fit into memory, or None."""


def preference(stack: Stack, host: Host) -> tuple[str, ...]:
    """Backends, best first: `selection`, then what suits the platform."""
    local = APPLE if host.apple else CUDA if host.gpus else CPU
    return tuple(dict.fromkeys((*stack.selection, *local, *APPLE, *CUDA, *CPU, *REST)))


def choose(
    stack: Stack,
    host: Host,
    weights: Mapping[str, Weights],
    backends: Backends,
    model_id: str,
    fits: Fits,
    manager: Manager = "",
) -> tuple[Chosen | None, tuple[Skipped, ...]]:
    """The first source that can run here. fits: asked only for the members of an ordered list, `8 bit if it fits`."""
    model = stack.models[model_id]
    listed = not isinstance(model.sources, dict)
    skipped: list[Skipped] = []
    chosen: Chosen | None = None
    for where, name, source in _candidates(stack, host, model_id):
        if chosen is not None:
            skipped.append(Skipped(model_id, name, where, f"{chosen.backend.name} comes first"))
            continue
        candidate = _candidate(stack, host, weights, backends, model_id, where, name, source, manager)
        found = candidate if isinstance(candidate, str) else (fits(candidate) if listed else None)
        if found is not None:
            skipped.append(Skipped(model_id, name, where, found))
        elif not isinstance(candidate, str):
            only = len(model.sources) == 1
            chosen = replace(
                candidate, reason="the only source" if only else _reason(stack, name, len(skipped), listed)
            )
    return chosen, tuple(skipped)


def _candidates(stack: Stack, host: Host, model_id: str) -> Iterator[tuple[str, str, Source]]:
    model = stack.models[model_id]
    sources = model.ordered_sources()
    if isinstance(model.sources, dict):
        order = preference(stack, host)
        sources = tuple(sorted(sources, key=lambda item: order.index(item[1])))
    for key, name, source in sources:
        yield path(("models", model_id, "sources", key)), name, source


def _candidate(
    stack: Stack,
    host: Host,
    weights: Mapping[str, Weights],
    backends: Backends,
    model_id: str,
    where: str,
    name: str,
    source: Source,
    manager: Manager,
) -> Chosen | str:
    """The source as a choice, or why it cannot run here."""
    model = stack.models[model_id]
    backend = backends.get(name)
    if backend is None or not backend.implemented:
        return f"not yet: backend {name}"
    if reason := backend.supports(model, source, host):
        return reason
    if model.memory.kv_dtype and model.memory.kv_dtype not in backend.kv_dtypes:
        return f"{name} has no {model.memory.kv_dtype} KV cache"
    if not backend.takes_parsers and backend.needs_engine and not _any_parser(model):
        return f"{name} takes no parser by name, and `parsers` asks for one"
    image = _image(stack, host, backend, source, manager)
    if manager in CONTAINED and backend.reserves != "external" and not image:
        return f"{manager} runs containers only, and {name} has no image here: name one in `engine.image`"
    if manager in CONTAINED and source.url and is_loopback(urlsplit(source.url).hostname or ""):
        return f"{source.url} is this machine itself, which the gateway's container cannot reach"
    engine = _engine(stack, host, name, source) if backend.needs_engine else None
    if image:
        if host.docker is None and manager != "quadlet":
            return f"{image} needs docker, and docker is not here"
        engine = Engine("", image_version(image), "engine.image")
    if backend.needs_engine and engine is None:
        return _missing(stack, host, name, source)
    wanted = _pinned(stack, name, source)
    if engine is not None and wanted and engine.version != wanted:
        return f"version {wanted} is asked for, {engine.version or 'an unknown one'} is installed ({engine.bin})"
    found = weights.get(weights_key(source))
    if source.path is not None and found is None and model.memory.weights is None:
        return f"no weights at {source.path}"
    return Chosen(model_id, model, where, backend, source, engine, found, "", image)


def choice_of(stack: Stack, name: str) -> EngineChoice:
    """`backends.NAME.engine`."""
    return next((one.engine for backend, one in stack.backends.items() if backend == name), EngineChoice())


def _image(stack: Stack, host: Host, backend: Backend, source: Source, manager: Manager) -> str:
    """The image that the source or its backend names; the backend's own, on a GPU host with docker and no engine, and
    where nothing but containers can run."""
    for choice in (source.engine, choice_of(stack, backend.name)):
        if choice is not None and choice.image:
            return choice.image
        if choice is not None and choice.bin:
            return ""
    if manager in CONTAINED:
        return (backend.cuda_image or backend.image) if host.gpus else backend.cpu_image
    automatic = host.gpus and host.docker is not None and backend.name not in host.engines
    return backend.image if automatic else ""


def image_version(image: str) -> str:
    """Of its tag, without a leading v: `vllm/vllm-openai:v0.32.0@sha256:...` -> 0.32.0; "" where that is no version."""
    hit = re.search(r":v?(\d[\w.+-]*)(?:@|$)", image)
    return hit[1] if hit else ""


def _any_parser(model: Model) -> bool:
    return {model.parsers.tool, model.parsers.reasoning} <= {"auto", "none"}


def _pinned(stack: Stack, name: str, source: Source) -> str | None:
    own = source.engine.version if source.engine else None
    return own or choice_of(stack, name).version


def _engine(stack: Stack, host: Host, name: str, source: Source) -> Engine | None:
    """The host's engine of that backend, or the very one that the source names."""
    if source.engine and source.engine.bin:
        installed = host.engines.get(name)
        if installed and installed.bin == source.engine.bin:
            return installed
        return Engine(source.engine.bin, found="sources: engine.bin")
    return host.engines.get(name)


def _missing(stack: Stack, host: Host, name: str, source: Source) -> str:
    if bin_ := choice_of(stack, name).bin:
        return f"backends.{name}.engine.bin is not there: {bin_}"
    program = PROGRAMS.get(name)
    install = program.install.get(host.system, "") if program else ""
    if install == f"stack engine install {name}" and (version := _pinned(stack, name, source)):
        return f"{name} is not installed: {install} (version {version} is asked for)"
    return f"{name} is not installed" + (f": {install}" if install else "")


def _reason(stack: Stack, name: str, before: int, listed: bool) -> str:
    if listed:
        return "first in the list that can run here" if before else "first in the list"
    if name in stack.selection:
        return "first in `selection` that can run here" if before else "first in `selection`"
    return "first choice on this platform that can run here" if before else "first choice on this platform"
