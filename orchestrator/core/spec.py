"""The shape of stack.yaml. Pure: `edge/stackfile/load.py` reads the file, turns errors into places and lines.

Unknown keys are errors, `x-*` keys are allowed everywhere. None means "automatic": the plan decides and says why.
What two keys may not say together is in core/stackfile/checks.py; both belong to a valid stack.yaml.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Tag, model_validator

from orchestrator.core.fields import (
    BACKENDS,
    MODEL_ID,
    Argv,
    BackendName,
    Duration,
    Env,
    Flag,
    Gpu,
    GpuIndex,
    HostName,
    Json,
    KeyName,
    Listen,
    ModelId,
    Port,
    Repo,
    Role,
    Size,
    StackName,
    Text,
    Url,
    Variable,
    Version,
    Whole,
    drop_extensions,
    is_loopback,
    listen_address,
    mapping_or_list,
    text_or_list,
)
from orchestrator.core.launch import Capability, Residency

__all__ = ["BACKENDS", "MODEL_ID", "BackendName", "Duration", "ModelId", "Size", "is_loopback", "listen_address"]


class Shape(BaseModel):
    """A mapping of stack.yaml: unknown keys are errors, `x-*` keys are left out."""

    # Each class built on its own would build its inner ones anew: half of the import time. For the same reason defaults
    # that are mappings come from model_construct, which needs no validator.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _extensions(cls, data: Any) -> Any:
        return drop_extensions(data)


class Secret(Shape):
    """Where a secret is found, never the secret itself: one of the two."""

    env: Variable | None = Field(None, description="Name of an environment variable (not with `service`).")
    file: Text | None = Field(None, description="Path of a file that holds the secret alone.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("must be either {env: NAME} or {file: PATH}")
        return self


class Endpoint(Shape):
    """The one OpenAI endpoint."""

    listen: Listen = Field(("127.0.0.1:8484",), description="HOST:PORT, or several. Beyond loopback needs `keys`.")
    hosts: tuple[HostName, ...] = Field((), description="Further names that the Host header may carry.")
    keys: dict[KeyName, Secret] = Field({}, description="Client keys by a name of yours, so that one can be revoked.")


class Reserve(Shape):
    """What is kept back of one memory pool."""

    reserve: Size = Field(0, description="Memory that the stack leaves to others.")


class Budget(Shape):
    """Memory that is kept back, per pool."""

    host: Reserve | None = Field(None, description="Host memory; on Apple Silicon the unified pool.")
    gpu: Annotated[dict[GpuIndex, Reserve], BeforeValidator(drop_extensions)] = Field({}, description="By GPU index.")


class EngineChoice(Shape):
    """Which build of an engine."""

    version: Text | None = Field(None, description="Exact version that must be installed.")
    bin: Text | None = Field(None, description="Path of the engine's executable.")
    image: Text | None = Field(None, description="Container image, pinned by tag or digest.")


class BackendSettings(Shape):
    """Settings of one backend."""

    engine: EngineChoice = Field(EngineChoice.model_construct(), description="Which build of this engine.")


class Source(Shape):
    """Where one backend finds the model's weights, or the server that has them."""

    backend: BackendName | None = Field(None, description="Only in a list of sources: whose source this is.")
    repo: Repo | None = Field(None, description="Hugging Face repository, `org/name`.")
    revision: Text | None = Field(None, description="Commit, tag or branch of the repository.")
    file: Text | None = Field(None, description="File in the repository (a GGUF).")
    path: Text | None = Field(None, description="A folder or a GGUF on disk.")
    tag: Text | None = Field(None, description="Ollama's name for the model.")
    mmproj: Text | None = Field(None, description="Vision projector: a file in the repository, or a path with ./ or /.")
    draft: Text | None = Field(None, description="Draft model for speculative decoding, written like `mmproj`.")
    chat_template: Text | None = Field(None, description="Jinja file that replaces the model's own template.")
    engine: EngineChoice | None = Field(None, description="Overrides `backends.NAME.engine`.")
    url: Url | None = Field(None, description="API root of a server that is already there, ending in /v1.")
    model: Text | None = Field(None, description="What that server calls the model. Default: the model's name.")
    key: Secret | None = Field(None, description="Key for that server.")
    cmd: Annotated[Argv, Field(min_length=1)] | None = Field(None, description="argv of any server; ${PORT} is ours.")
    check: Text | None = Field(None, description="Path that answers 200 once the server listens.")
    stop: (
        Annotated[
            Annotated[Argv, Tag("list")] | Annotated[Text, Tag("text")],
            text_or_list("a command, or its argv as a list"),
        ]
        | None
    ) = Field(None, description="Command that stops it, where SIGTERM does not.")
    env: Env = Field({}, description="Environment of the command.")


class Serve(Shape):
    """How the engine is started and how many requests it takes."""

    port: Port | None = Field(None, description="Default: a stable port in 18500-18899.")
    concurrency: Whole = Field(1, ge=1, le=4096, description="Requests at once: engine, supervisor and gateway.")
    queue: Whole = Field(16, ge=0, le=100_000, description="Requests that wait beyond it; then 429.")
    max_tokens: Whole | None = Field(None, ge=1, le=2**31 - 1, description="Of an answer whose client names none.")
    start_timeout: Duration = Field(600, description="Longest time to become ready.")
    extra_args: Argv = Field((), description="Engine flags, checked against the engine's own help.")
    unchecked_args: Argv = Field((), description="Engine flags that are not checked.")
    env: Env = Field({}, description="Environment of the engine.")


class Memory(Shape):
    """What the model may take."""

    kv: Size | None = Field(None, description="KV cache that all requests share.")
    kv_dtype: Literal["f16", "bf16", "q8", "q4", "fp8"] | None = Field(None, description="Numbers in the KV cache.")
    weights: Size | None = Field(None, description="Declared size of weights that cannot be inspected.")
    host: Size | None = Field(None, description="Weights and KV in host memory.")
    gpu: Annotated[dict[GpuIndex, Size], BeforeValidator(drop_extensions)] = Field(
        {}, description="Weights and KV on that GPU, by index."
    )


class Parsers(Shape):
    """Parsers, where the family table should not decide."""

    tool: Text = Field("auto", description="Tool-call parser, `auto` or `none`.")
    reasoning: Text = Field("auto", description="Reasoning parser, `auto` or `none`.")


class Model(Shape):
    """A model: one launch, one or more names."""

    family: Text | None = Field(None, description="Model family; else detected from template, model_type and name.")
    capabilities: Annotated[tuple[Capability, ...], Field(min_length=1)] | None = Field(
        None, description="What it is for; else detected."
    )
    context: Whole | None = Field(None, ge=1, le=2**31 - 1, description="Tokens that one request may use.")
    sources: Annotated[
        Annotated[dict[BackendName, Source], Field(min_length=1), BeforeValidator(drop_extensions), Tag("mapping")]
        | Annotated[tuple[Source, ...], Field(min_length=1), Tag("list")],
        mapping_or_list("a mapping by backend, or a list of sources with `backend` in each"),
    ] = Field(description="By backend, or an ordered list with `backend` in each.")
    serve: Serve = Field(Serve.model_construct(), description="Port, concurrency, flags.")
    memory: Memory = Field(Memory.model_construct(), description="What it may take.")
    residency: Residency | None = Field(None, description="Default on-demand; resident for the default role's model.")
    ttl: Duration | None = Field(None, description="On-demand: idle time after which it is unloaded. Default: never.")
    preload: Flag = Field(False, description="On-demand: load at start.")
    parsers: Parsers = Field(
        Parsers.model_construct(), description="Parsers, where the family table should not decide."
    )
    defaults: dict[Text, Json] = Field({}, description="Request parameters set where the client did not.")
    strip: tuple[Text, ...] = Field((), description="Request parameters never passed on.")
    variants: dict[ModelId, dict[Text, Json]] = Field(
        {}, description="Further names on the same launch, with parameters."
    )
    aliases: tuple[ModelId, ...] = Field((), description="Further names.")
    roles: tuple[Role, ...] = Field((), description="Names for an intent: default, coding, ...")
    gpus: Annotated[tuple[Gpu, ...], Field(min_length=1)] | None = Field(None, description="GPU indexes or UUIDs.")
    tensor_parallel: Whole | None = Field(None, ge=1, le=1024, description="GPUs that share each layer.")

    def ordered_sources(self) -> tuple[tuple[str, str, Source], ...]:
        """(key under `sources`, backend, source) in the file's order."""
        if isinstance(self.sources, dict):
            return tuple((name, name, source) for name, source in self.sources.items())
        return tuple((str(i), source.backend or "", source) for i, source in enumerate(self.sources))


class Probe(Shape):
    """The proof of the tool path, which `up` runs."""

    on_up: Literal["none", "quick", "standard", "full"] = Field("quick", description="Tier that `up` runs.")
    scope: Literal["resident", "all"] = Field("resident", description="resident: and the default role's model.")
    tools: Literal["required", "warn"] = Field("required", description="What a failed tool path means for `up`.")
    budget: Duration = Field(60, description="Past it a model is untested, with a warning; a verdict of before stays.")
    interval: Duration | None = Field(
        None, description="Idle models are probed again after it. 0: never. Default 1h; never with `on_up: none`."
    )
    quiet: Duration = Field(60, description="How long a model had no request before it counts as idle.")


class Stack(Shape):
    """stack.yaml: which models should run, and on what."""

    version: Version = Field(description="Always 1.")
    name: StackName | None = Field(None, description="Default: the folder's name and 6 hex of its path.")
    endpoint: Endpoint = Field(Endpoint.model_construct(), description="Where clients connect.")
    selection: tuple[BackendName, ...] = Field((), description="Backends in order of preference; the rest follow.")
    budget: Budget = Field(Budget.model_construct(), description="Memory kept back.")
    backends: Annotated[dict[BackendName, BackendSettings], BeforeValidator(drop_extensions)] = Field(
        {}, description="Settings per backend."
    )
    models: Annotated[dict[ModelId, Model], Field(min_length=1)] = Field(
        description="Models by the name that clients ask for."
    )
    probe: Probe = Field(Probe.model_construct(), description="The proof of the tool path.")
    supervisor: Literal["auto", "embedded", "llama-swap"] = Field("auto", description="auto = embedded.")
    service: Literal["none", "login", "boot"] = Field("none", description="Start with the session or the machine.")
