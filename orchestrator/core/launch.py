"""How one model is served: the values that runners, targets, the gateway and the probe read. Times in seconds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Literal

Capability = Literal["chat", "tools", "vision", "embed", "rerank", "transcribe", "speak"]
Owner = Literal["supervisor", "manager", "compose", "external"]
Residency = Literal["resident", "on-demand", "sleep"]


@dataclass(frozen=True, slots=True)
class Process:
    """argv[0] is absolute, or (command) a name on PATH. cwd None = the state folder.

    stop: a command that makes it end, () = SIGTERM alone does.
    """

    argv: tuple[str, ...]
    cwd: str | None = None
    stop: tuple[str, ...] = ()
    kind: Literal["process"] = "process"


@dataclass(frozen=True, slots=True)
class Container:
    """image: with its tag or digest; argv: what its entry point is given; port: the one inside.

    mounts: (host path, container path, "ro" | "rw"), absolute; a "rw" folder is made where it is missing.
    A name in place of the host path is a volume of docker's.
    gpus: indexes or UUIDs; shm_size: bytes of /dev/shm, 0 = docker's default; entrypoint: () = the image's own.
    """

    image: str
    argv: tuple[str, ...]
    port: int
    mounts: tuple[tuple[str, str, Literal["ro", "rw"]], ...] = ()
    gpus: tuple[str, ...] = ()
    ipc: Literal["", "host"] = ""
    shm_size: int = 0
    entrypoint: tuple[str, ...] = ()
    kind: Literal["container"] = "container"


@dataclass(frozen=True, slots=True)
class Attach:
    """A server that somebody else runs. url ends in the API's root (`https://api.example.com/v1`).

    key: ("env" | "file", name or path) of the secret that goes out as a bearer token, None for none.
    """

    url: str
    key: tuple[Literal["env", "file"], str] | None = None
    kind: Literal["attach"] = "attach"


How = Process | Container | Attach


@dataclass(frozen=True, slots=True)
class Ready:
    """path: answers 200 once the engine listens; readiness itself is proven per capability (DESIGN.md, decision 7)."""

    path: str
    timeout: int = 600


@dataclass(frozen=True, slots=True)
class Reservation:
    """Bytes that the plan reserves in one pool ("host", "unified", "gpu:0"); formula: the arithmetic, for people.

    work: what the engine takes there beside weights and KV."""

    pool: str
    weights: int
    kv: int
    formula: str
    work: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.work


@dataclass(frozen=True, slots=True)
class ToolPath:
    """How tool calls travel: family, wire format, the parsers that this backend was given, and where that came from."""

    family: str = ""
    wire: str = ""
    tool_parser: str = ""
    reasoning_parser: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Serving:
    """What requests may use. context: tokens of one request; concurrency: requests at once; queue: waiting beyond."""

    context: int
    concurrency: int = 1
    queue: int = 16
    max_tokens: int | None = None
    residency: Residency = "on-demand"
    ttl: int | None = None
    preload: bool = False


@dataclass(frozen=True, slots=True)
class Launch:
    """served_name: what the engine itself calls the model (the gateway rewrites `model` to it where it differs).

    address: HOST:PORT where it answers, "" = its port on 127.0.0.1.
    native: OpenAI-style paths beyond chat that the engine serves itself (`/v1/messages`).
    limits: paths on which the engine's own default would cut an answer off: `serving.max_tokens` goes into requests.
    defaults: request parameters, as (name, JSON): what a client's request would carry, so the proofs do too.
    secret_names: environment variables whose values are filled in at start, never rendered.
    """

    model: str
    backend: str
    served_name: str
    port: int | None
    how: How
    ready: Ready
    serving: Serving
    tools: ToolPath = field(default_factory=ToolPath)
    capabilities: tuple[Capability, ...] = ("chat",)
    native: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    secret_names: tuple[str, ...] = ()
    memory: tuple[Reservation, ...] = ()
    owner: Owner = "supervisor"
    address: str = ""
    weights: str = ""
    weights_digest: str = ""
    engine_version: str = ""
    source: str = ""
    """The chosen source's place in stack.yaml: `models.tiny.sources.mlx-lm`."""

    @property
    def url(self) -> str:
        """The API root that serves it, without a trailing slash: `http://127.0.0.1:18500/v1`."""
        if isinstance(self.how, Attach):
            return self.how.url.rstrip("/")
        return f"http://{self.address or f'127.0.0.1:{self.port}'}/v1"

    @property
    def ours(self) -> bool:
        """Whether our supervisor starts and stops it; else a service manager does, or nobody we know."""
        return self.owner == "supervisor"

    @property
    def hash(self) -> str:
        """12 hex digits over what the running engine depends on: a change here means a restart of this engine."""
        what = {k: asdict(self)[k] for k in ("backend", "served_name", "port", "how", "env", "secret_names")}
        what["weights"] = self.weights_digest
        what["how"].pop("stop", None)  # how it ends does not change what runs
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def proof(self) -> str:
        """Key under which a verdict is cached: weights, engine version, template, flags (DESIGN.md, decision 7)."""
        what = [self.weights_digest, self.engine_version, self.tools.wire, self.hash, sorted(self.capabilities)]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]


def marker(stack: str, launch: Launch) -> str:
    """The value of STACK_RUN in an engine's environment: `<stack>/<model>/<launch hash>` (DESIGN.md, decision 5)."""
    return f"{stack}/{launch.model}/{launch.hash}"
