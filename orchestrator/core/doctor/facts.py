"""What was captured on a machine: all that the checks read. Texts of other programs are kept as they came.

Sizes in bytes, times in unix seconds. `Missing` stands where a fact could not be had: that check then says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.core.host import Host


@dataclass(frozen=True, slots=True)
class Missing:
    """why: in words, as `docker info: no answer within 5 s`."""

    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said: stdout, then stderr. status -1: it did not start or did not end in time, text says why."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Memory:
    """available: what a new process may take; texts: /proc/meminfo, /proc/swaps, /proc/pressure/memory by path, or
    `sysctl` on macOS; a file that this kernel lacks is absent."""

    total: int
    available: int
    texts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Nvidia:
    """devices: NVIDIA display controllers on the PCI bus; smi: plain `nvidia-smi`, None = not on PATH; query: by
    parse_host.GPU_QUERY; listing: `nvidia-smi -L`; toolkit: files of nvidia-container-toolkit that are here."""

    devices: int = 0
    smi: Answer | None = None
    query: Answer | None = None
    listing: Answer | None = None
    toolkit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Docker:
    """cli: path, "" = not on PATH; version, info: of `docker ... --format '{{json .}}'`; member: whether /etc/group has
    the user in `docker`; images: `docker image inspect` by name; compose: its version, "" = not installed."""

    cli: str = ""
    version: Answer | None = None
    info: Answer | None = None
    member: bool = False
    images: Mapping[str, Answer] = field(default_factory=dict)
    compose: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A port of the stack that somebody listens on. who: in words; ours: its own daemon or engine."""

    port: int
    what: str
    who: str
    ours: bool


@dataclass(frozen=True, slots=True)
class Disk:
    """path: where it is or would be made; free: bytes for this user."""

    path: str
    free: int
    writable: bool


@dataclass(frozen=True, slots=True)
class Download:
    """Weights that are not here yet. size: bytes that have to come, None = the hub did not say; why: in words."""

    model: str
    repo: str
    size: int | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Files:
    """Open files that a process may have: soft and hard limit, None = no limit."""

    soft: int | None
    hard: int | None


@dataclass(frozen=True, slots=True)
class Clock:
    """newest: of the files of `stack` itself; synchronized: `timedatectl show`, None where there is none."""

    now: float
    newest: float
    synchronized: Answer | None = None


@dataclass(frozen=True, slots=True)
class Socket:
    """A control socket in the runtime folder. stack: "" = of none that this home knows."""

    path: str
    stack: str
    answers: bool


@dataclass(frozen=True, slots=True)
class Runtime:
    """The folder of the control sockets. mode: its permission bits."""

    path: str
    mine: bool
    mode: int
    sockets: tuple[Socket, ...] = ()


@dataclass(frozen=True, slots=True)
class Leftover:
    """A process or container of ours whose daemon is gone. what: `pid 812`, `container stack-a-tiny-1a2b3c`; file: the
    stack.yaml it was started from, "" = not known."""

    stack: str
    model: str
    what: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why stack.yaml cannot be loaded or planned, in a line."""

    text: str
    mend: str = ""


UNASKED = Missing("not asked")


@dataclass(frozen=True, slots=True)
class Facts:
    """tested: engine versions that this release was tested with, by backend; environment: the proxy variables that are
    set, their values left out but for no_proxy; metal: `xcrun -sdk macosx metal --version`, linger: `loginctl
    show-user`, None = no such program; docker_disk: where docker keeps images."""

    user: str = ""
    host: Host | Missing = UNASKED
    troubles: tuple[Trouble, ...] | Missing = UNASKED
    memory: Memory | Missing = UNASKED
    nvidia: Nvidia | Missing = UNASKED
    docker: Docker | Missing = UNASKED
    ports: tuple[Held, ...] | Missing = UNASKED
    cache_disk: Disk | Missing = UNASKED
    docker_disk: Disk | Missing = UNASKED
    downloads: tuple[Download, ...] | Missing = UNASKED
    files: Files | Missing = UNASKED
    clock: Clock | Missing = UNASKED
    environment: Mapping[str, str] | Missing = UNASKED
    metal: Answer | Missing | None = UNASKED
    linger: Answer | Missing | None = UNASKED
    runtime: Runtime | Missing | None = UNASKED
    leftovers: tuple[Leftover, ...] | Missing = UNASKED
    tested: Mapping[str, str] = field(default_factory=dict)
