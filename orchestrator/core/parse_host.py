"""What a machine's own tools print, read into values: cpuinfo, meminfo, sysctl, nvidia-smi, docker. Sizes in bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestrator.core.host import Apple, Gpu

MIB = 2**20
GPU_QUERY = "index,uuid,name,memory.total,driver_version,mig.mode.current"
"""For `nvidia-smi --query-gpu=... --format=csv,noheader,nounits`; memory.total is in MiB."""
FREE_QUERY = "index,memory.free"

SYSCTLS = (
    "hw.memsize",
    "hw.physicalcpu",
    "machdep.cpu.brand_string",
    "iogpu.wired_limit_mb",
    "hw.optional.neon",
    "hw.optional.arm.FEAT_BF16",
    "hw.optional.arm.FEAT_I8MM",
    "hw.optional.arm.FEAT_DotProd",
    "hw.optional.arm.FEAT_SME",
    "hw.optional.avx2_0",
    "hw.optional.avx512f",
)

_FEATURES = {
    **{name: name for name in ("f16c", "fma", "avx", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")},
    **{name: name for name in ("neon", "sve", "sve2", "sme", "bf16", "i8mm")},
    "asimd": "neon",
    "asimddp": "dotprod",
    "avx2_0": "avx2",
    "FEAT_BF16": "bf16",
    "FEAT_I8MM": "i8mm",
    "FEAT_DotProd": "dotprod",
    "FEAT_SME": "sme",
}
"""What decides which build of an engine runs, and how fast: kernel and sysctl names -> one name."""


def arch(machine: str) -> str:
    """`uname -m` as one of x86_64, arm64, or what it says."""
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(machine.lower(), machine.lower())


def _features(names: list[str]) -> tuple[str, ...]:
    return tuple(sorted({_FEATURES[name] for name in names if name in _FEATURES}))


def parse_cpuinfo(text: str) -> tuple[str, int, tuple[str, ...]]:
    """(model, physical cores, features) from /proc/cpuinfo. ARM kernels name no model: ""."""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    cores = {
        (block.get("physical id", "0"), block.get("core id", block["processor"]))
        for block in map(_block, re.split(r"\n\s*\n", text))
        if "processor" in block
    }
    return model[1].strip() if model else "", max(len(cores), 1), _features(flags[1].split() if flags else [])


def _block(text: str) -> dict[str, str]:
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def parse_meminfo(text: str) -> int:
    """MemTotal of /proc/meminfo, which counts in KiB. ValueError if it is not there."""
    hit = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    if not hit:
        raise ValueError("no MemTotal")
    return int(hit[1]) * 1024


def parse_sysctl(text: str) -> dict[str, str]:
    """`sysctl NAME...`: `hw.memsize: 137438953472`. Names that this macOS lacks are absent."""
    return dict(re.findall(r"^([\w.]+): (.*)$", text, re.MULTILINE))


def sysctl_features(values: Mapping[str, str]) -> tuple[str, ...]:
    return _features([name.rsplit(".", 1)[1] for name, value in values.items() if value == "1" and "optional" in name])


def apple(values: Mapping[str, str]) -> Apple | None:
    """None on an Intel Mac.

    `iogpu.wired_limit_mb` is what the GPU may wire, in MiB; 0 (the default) leaves it to macOS. What Metal then
    reports (recommendedMaxWorkingSetSize) grew over releases: 10.67 of 16 GiB on macOS 15.6 (exo PR 1672) and 11.84
    later (llmfit PR 754), 96 or 107.5 of 128 GiB (ds4 PR 893). Taken is the least of them: 2/3 up to 32 GiB, 3/4 above.
    """
    chip, memory = values.get("machdep.cpu.brand_string", ""), int(values.get("hw.memsize", "0"))
    if not chip.startswith("Apple"):
        return None
    declared = int(values.get("iogpu.wired_limit_mb", "0")) * MIB
    default = memory * 2 // 3 if memory <= 32 * 2**30 else memory * 3 // 4
    return Apple(chip, min(declared, memory) or default)


def parse_gpus(csv: str) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """(GPUs, problems) of a GPU_QUERY. A GPU in MIG mode has mig=True: its instances stand for it (`parse_mig`)."""
    gpus, problems = [], []
    for line in filter(None, map(str.strip, csv.splitlines())):
        # a name holds no comma so far, but if one does the other columns still stand
        hit = re.fullmatch(r"(\d+), (GPU-[\w-]+), (.+), ([^,]+), ([^,]+), ([^,]+)", line)
        if not hit:
            problems.append(f"nvidia-smi: {line}")
        elif not hit[4].isdigit():
            problems.append(f"GPU {hit[1]} ({hit[3]}) states no memory of its own ({hit[4]}): left out")
        else:
            gpus.append(Gpu(int(hit[1]), hit[2], hit[3], int(hit[4]) * MIB, hit[5], mig=hit[6] == "Enabled"))
    return tuple(gpus), tuple(problems)


def parse_mig(listing: str, gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """GPUs of `nvidia-smi -L`, those in MIG mode replaced by their instances, numbered on from the last GPU.

    The size of an instance is its profile's name (`3g.20gb`) in decimal gigabytes, a little less than what it has
    (the driver gives a 1g.5gb 4864 MiB). An instance is named to an engine by its UUID.
    """
    number = max((gpu.index for gpu in gpus), default=-1)
    found, parent = [gpu for gpu in gpus if not gpu.mig], None
    for line in listing.splitlines():
        if hit := re.match(r"GPU (\d+):", line):
            parent = next((gpu for gpu in gpus if gpu.index == int(hit[1])), None)
        elif parent and (hit := re.match(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)", line)):
            number += 1
            size = re.search(r"\.(\d+)gb", hit[1])
            memory = min(int(size[1]) * 10**9 if size else 0, parent.memory)
            found.append(Gpu(number, hit[2], f"{parent.name} MIG {hit[1]}", memory, parent.driver, mig=True))
    return tuple(found)


def parse_free(text: str) -> dict[int, int]:
    """Free bytes by GPU index, from nvidia-smi's FREE_QUERY; what it cannot tell (`[N/A]`) is left out."""
    rows = (line.split(",") for line in text.splitlines() if line.count(",") == 1)
    return {int(i): int(free) * MIB for i, free in rows if i.strip().isdigit() and free.strip().isdigit()}


def docker_version(text: str) -> str:
    """`Docker version 28.2.2, build e6534b4` -> 28.2.2; `Docker Compose version v2.40.3` and `2.40.3` -> 2.40.3."""
    hit = re.search(r"(?:^|version )v?(\d+[\w.+-]*)", text.strip())
    return hit[1] if hit else ""
