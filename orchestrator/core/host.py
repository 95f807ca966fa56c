"""What a machine is: values that do not change from hour to hour. Sizes in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

System = Literal["linux", "macos"]


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA GPU or MIG instance. `uuid` as nvidia-smi prints it (GPU-... or MIG-...)."""

    index: int
    uuid: str
    name: str
    memory: int
    driver: str = ""
    mig: bool = False


@dataclass(frozen=True, slots=True)
class Apple:
    """`wired_limit`: what the GPU may wire of the unified memory (sysctl iogpu.wired_limit_mb, or its default)."""

    chip: str
    wired_limit: int


@dataclass(frozen=True, slots=True)
class Engine:
    """An installed engine. `flags`: the long and short options its own --help lists; empty = not asked.

    found: where it was found, in words (`PATH`, `stack engine install`, `backends.llama-cpp.engine.bin`).
    """

    bin: str
    version: str = ""
    found: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """engines: by backend name, only what is installed. problems: what detection met, in words (a failing driver)."""

    system: System
    arch: str
    memory: int
    cpu: str = ""
    cores: int = 1
    features: tuple[str, ...] = ()
    gpus: tuple[Gpu, ...] = ()
    apple: Apple | None = None
    docker: str | None = None
    compose: str | None = None
    llama_swap: Engine | None = None
    engines: Mapping[str, Engine] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
