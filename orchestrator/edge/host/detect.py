"""What this machine is (core/host.py). Fast: no engine is started, no network; what must be run is kept."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.core import parse_host
from orchestrator.core.engines import PROGRAMS
from orchestrator.core.host import Apple, Engine, Host, System
from orchestrator.core.spec import BackendSettings
from orchestrator.edge.host import ask, detect_docker, detect_gpu, find_engine, flags
from orchestrator.errors import PlanError


@dataclass(frozen=True, slots=True)
class _Machine:
    memory: int
    cpu: str
    cores: int
    features: tuple[str, ...]
    apple: Apple | None = None


def detect(settings: Mapping[Any, BackendSettings] | None = None, *, ask_flags: Collection[str] = ()) -> Host:
    """The host. settings: by backend name, for its `engine.bin` and `engine.version`; ask_flags: backends whose flags
    must come from the engine itself (seconds, the first time, for a Python engine).

    Raises PlanError on a system other than Linux and macOS.
    """
    settings = settings or {}
    if sys.platform not in ("linux", "darwin"):
        raise PlanError(f"{sys.platform} is not supported", mend="use Linux or macOS; on Windows, WSL 2")
    system: System = "linux" if sys.platform == "linux" else "macos"
    asked = detect_gpu.Question()
    machine = _linux() if system == "linux" else _macos()
    engines, problems = _engines(settings, ask_flags)
    version, compose, docker_problems = detect_docker.docker()
    llama_swap = find_engine.llama_swap()
    gpus, gpu_problems = asked.gpus()
    return Host(
        system=system,
        arch=parse_host.arch(platform.machine()),
        memory=machine.memory,
        cpu=machine.cpu,
        cores=machine.cores,
        features=machine.features,
        gpus=gpus,
        apple=machine.apple,
        docker=version,
        compose=compose,
        llama_swap=llama_swap,
        engines=engines,
        problems=(*gpu_problems, *docker_problems, *problems),
    )


def _engines(
    settings: Mapping[Any, BackendSettings], ask_flags: Collection[str]
) -> tuple[dict[str, Engine], tuple[str, ...]]:
    found, problems = {}, []
    for name in PROGRAMS:
        choice = settings[name].engine if name in settings else None
        engine = find_engine.find(name, choice)
        if engine:
            found[name] = replace(engine, flags=flags.ask(name, engine)) if name in ask_flags else engine
        elif choice and choice.bin:
            problems.append(f"backends.{name}.engine.bin: {choice.bin} is no executable file")
    return found, tuple(problems)


def _linux() -> _Machine:
    cpu, cores, features = parse_host.parse_cpuinfo(Path("/proc/cpuinfo").read_text())
    memory = parse_host.parse_meminfo(Path("/proc/meminfo").read_text())
    return _Machine(min(memory, _cgroup_limit() or memory), cpu, min(cores, len(os.sched_getaffinity(0))), features)


def _cgroup_limit() -> int | None:
    """What a container may take, where that is less than the machine has."""
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(file).read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdigit() else None
    return None


def _macos() -> _Machine:
    # rc 1 where one name is unknown to this macOS; the others are printed all the same
    _, text = ask.output(["/usr/sbin/sysctl", *parse_host.SYSCTLS])
    values = parse_host.parse_sysctl(text)
    features = parse_host.sysctl_features(values)
    chip = values.get("machdep.cpu.brand_string", "")
    memory, cores = int(values.get("hw.memsize", "0")), int(values.get("hw.physicalcpu", "1"))
    return _Machine(memory, chip, cores, features, parse_host.apple(values))
