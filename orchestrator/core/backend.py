"""The interface of a backend: one engine per file in core/backends/, found by edge/discover.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

from orchestrator.core.host import Engine, Gpu, Host
from orchestrator.core.launch import Capability, How, Ready, ToolPath
from orchestrator.core.spec import BackendSettings, Model, Source
from orchestrator.core.weights import Weights

Reserves = Literal["slots", "paged", "unbounded", "cached", "external"]
"""slots: context x slots, fixed; paged: requests share pages, at least one full context; unbounded: context x requests,
its prompt cache within that; cached: the same, and a prompt cache of one context beside it; external: nothing here."""
Quality = Literal["yes", "prompt only", "ignored", "no"]


@dataclass(frozen=True, slots=True)
class Can:
    """What the engine can do with tools, as measured or documented (reference/engines.md)."""

    auto: Quality = "yes"
    required: Quality = "yes"
    named: Quality = "yes"
    parallel: Quality = "yes"
    json_schema: Quality = "yes"
    unload: Literal["real", "no-op", "not applicable"] = "real"


@dataclass(frozen=True, slots=True)
class Request:
    """All that a backend needs to build a launch. Everything automatic is decided by then."""

    model_id: str
    model: Model
    source: Source
    settings: BackendSettings
    host: Host
    engine: Engine | None
    weights: Weights | None
    tools: ToolPath
    capabilities: tuple[Capability, ...]
    port: int | None
    context: int
    concurrency: int
    max_tokens: int | None
    kv_bytes: int
    """Bytes of KV that the plan reserved for this launch, on all its GPUs together: to be enforced by the engine's own
    flag."""
    gpus: tuple[Gpu, ...] = ()
    """Where it runs; empty: in host (or Apple's unified) memory."""
    gpu_layers: int | None = None
    """Layers that go to those GPUs, the rest stays in host memory; None = all."""
    image: str = ""
    """Container image to run it in; "" = a process, of `engine`."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a backend answers; plan.py completes it to a Launch."""

    how: How
    served_name: str
    ready: Ready
    env: tuple[tuple[str, str], ...] = ()
    secret_names: tuple[str, ...] = ()
    native: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    """Paths on which the engine's own default would cut an answer off, and no flag of it changes that: the plan decides
    on a `max_tokens` then, and the gateway sets it where the client names none."""
    sleeps: bool = False
    """It was told to take POST /sleep and /wake_up, as vLLM does: for `residency: sleep`."""
    notes: tuple[str, ...] = ()
    """What the user should know of this launch: the plan's warnings."""


class Backend(Protocol):
    name: str
    implemented: bool
    """False: the spec knows it, plan answers "not yet"."""
    reserves: Reserves
    needs_engine: bool
    owned_flags: Mapping[str, str]
    """Flags that we set ourselves -> the key of stack.yaml that decides them: in `extra_args` they are an error."""
    kv_dtypes: frozenset[str]
    """Number formats of `memory.kv_dtype` that its KV cache can have."""
    uses_gpus: bool
    """Whether it runs on CUDA GPUs where the host has them; else it stays in host memory there."""
    offloads: bool
    """Whether it can keep some layers in host memory and the rest on GPUs."""
    image: str
    """The container image, pinned by tag, that is used where no engine is installed; "" = it has none of its own."""
    cpu_image: str
    cuda_image: str
    """The same where the host has no GPU, and where it has some; asked for only by managers that run containers alone,
    so that elsewhere nothing becomes a container unasked. cuda_image "": `image`."""
    takes_parsers: bool
    """Whether it has flags for tool and reasoning parsers."""

    def supports(self, model: Model, source: Source, host: Host) -> str | None:
        """Why this backend cannot run that source on that host, in a sentence; None if it can."""

    def launch(self, request: Request) -> Built: ...

    def can(self, version: str, tool_parser: str) -> Can: ...


Backends = Mapping[str, Backend]


ANSWERS = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
"""Paths whose answers `max_tokens` bounds, as its users may leave it out: for `Built.limits`."""


def owned(keys: Mapping[str, str]) -> Mapping[str, str]:
    """Key of stack.yaml -> its flags, separated by blanks; turned round for `owned_flags`."""
    return MappingProxyType({flag: key for key, flags in keys.items() for flag in flags.split()})


PYTHON_ENV = (("HF_HUB_OFFLINE", "1"), ("PYTHONUNBUFFERED", "1"), ("TOKENIZERS_PARALLELISM", "false"))
"""Weights come by `stack pull`, engines start offline; logs come line by line."""


def environment(request: Request, *engine: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """The engine's own variables under those of `serve.env`, sorted."""
    return tuple(sorted((dict(engine) | request.model.serve.env).items()))


def executable(request: Request) -> str:
    """The engine's path; a backend that needs an engine is never asked without one."""
    assert request.engine is not None
    return request.engine.bin


def weights_path(request: Request) -> str:
    """Where the engine finds the weights; the name of the repository while they are not there yet."""
    if request.weights is not None and request.weights.path:
        return request.weights.path
    source = request.source
    return source.path or "/".join(part for part in (source.repo, source.file) if part)


def beside(request: Request, name: str) -> str:
    """A further file of the source (`mmproj`, `draft`): a path, or a name in the folder of the weights."""
    if name.startswith(("/", "./", "../")) or request.source.path:
        return name
    folder, slash, _ = weights_path(request).rpartition("/")
    return folder + slash + name


def mount(path: str) -> tuple[str, str, Literal["ro"]]:
    """What a container must see of the host to read these weights, at the same path. A snapshot of the hub's cache is
    links into its repository's folder."""
    repository, found, _ = path.partition("/snapshots/")
    folder = path.rpartition("/")[0] if path.lower().endswith(".gguf") else path
    shown = repository if found else folder
    return shown, shown, "ro"


def not_files(source: Source, *allowed: str) -> str | None:
    """Why a source does not say where weights are, or says what this backend has no use for; None if it is fine."""
    foreign = {"tag", "mmproj", "draft", "chat_template", "url", "model", "key", "cmd", "check", "stop"} - {*allowed}
    if wrong := sorted(key for key in foreign if getattr(source, key) is not None):
        return f"has no use for {', '.join(wrong)}"
    if (source.path is None) == (source.repo is None):
        return "needs either `path` or `repo`"
    return None
