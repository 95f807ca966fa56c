"""Parsers of what a machine's own tools print, on captured output (shortened, uuids changed)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core import parse_host
from orchestrator.core.host import Apple, Gpu

GIB = 2**30

XEON = """\
processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu vme sse4_2 fma avx f16c avx2 avx512f avx512_vnni avx512_bf16 amx_tile

processor\t: 1
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
physical id\t: 0
core id\t\t: 0
flags\t\t: fpu

processor\t: 2
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
physical id\t: 0
core id\t\t: 1
flags\t\t: fpu
"""

ARM = """\
processor\t: 0
BogoMIPS\t: 2000.00
Features\t: fp asimd evtstrm aes asimddp sve i8mm bf16
CPU implementer\t: 0x41

processor\t: 1
Features\t: fp asimd
"""

M2 = """\
hw.memsize: 137438953472
hw.physicalcpu: 24
machdep.cpu.brand_string: Apple M2 Ultra
iogpu.wired_limit_mb: 0
hw.optional.neon: 1
hw.optional.arm.FEAT_BF16: 1
hw.optional.arm.FEAT_SME: 0
"""

TWO_GPUS = """\
0, GPU-11111111-2222-3333-4444-555555555555, NVIDIA GeForce RTX 4090, 24564, 550.54.15, [N/A]
1, GPU-66666666-7777-8888-9999-000000000000, NVIDIA RTX 6000 Ada Generation, 49140, 550.54.15, [N/A]
"""

MIG = """\
0, GPU-aaaa, NVIDIA A100-SXM4-40GB, 40960, 535.161.08, Enabled
1, GPU-bbbb, NVIDIA A30, 24576, 535.161.08, Disabled
"""

MIG_LIST = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-aaaa)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 1g.5gb      Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 1: NVIDIA A30 (UUID: GPU-bbbb)
"""


def test_a_linux_cpu() -> None:
    model, cores, features = parse_host.parse_cpuinfo(XEON)
    assert model == "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz"
    assert cores == 2, "two threads of one core count once"
    assert {"avx2", "avx512f", "amx_tile", "fma"} <= set(features)
    assert "vme" not in features


def test_an_arm_cpu_names_no_model() -> None:
    assert parse_host.parse_cpuinfo(ARM) == ("", 2, ("bf16", "dotprod", "i8mm", "neon", "sve"))


def test_memory_of_linux() -> None:
    assert parse_host.parse_meminfo("MemTotal:       24684096 kB\nMemFree: 1 kB\n") == 24684096 * 1024
    with pytest.raises(ValueError, match="MemTotal"):
        parse_host.parse_meminfo("")


@pytest.mark.parametrize(
    ("memory", "declared", "wired"),
    [
        (128 * GIB, 0, 96 * GIB),
        (36 * GIB, 0, 27 * GIB),
        (24 * GIB, 0, 16 * GIB),
        (128 * GIB, 122880, 120 * GIB),
        (16 * GIB, 99999, 16 * GIB),
    ],
)
def test_what_an_apple_gpu_may_wire(memory: int, declared: int, wired: int) -> None:
    values = {"machdep.cpu.brand_string": "Apple M4", "hw.memsize": str(memory), "iogpu.wired_limit_mb": str(declared)}
    assert parse_host.apple(values) == Apple("Apple M4", wired)


def test_sysctl_of_a_mac_studio() -> None:
    values = parse_host.parse_sysctl(M2)
    assert parse_host.apple(values) == Apple("Apple M2 Ultra", 96 * GIB)
    assert parse_host.sysctl_features(values) == ("bf16", "neon")


def test_an_intel_mac_has_no_apple_gpu() -> None:
    assert parse_host.apple({"machdep.cpu.brand_string": "Intel(R) Core(TM) i7", "hw.memsize": "1"}) is None


def test_several_gpus() -> None:
    gpus, problems = parse_host.parse_gpus(TWO_GPUS)
    assert [(gpu.index, gpu.name, gpu.memory // 2**20, gpu.driver, gpu.mig) for gpu in gpus] == [
        (0, "NVIDIA GeForce RTX 4090", 24564, "550.54.15", False),
        (1, "NVIDIA RTX 6000 Ada Generation", 49140, "550.54.15", False),
    ]
    assert gpus[0].uuid == "GPU-11111111-2222-3333-4444-555555555555"
    assert problems == ()


def test_mig_instances_stand_for_their_gpu() -> None:
    gpus, _ = parse_host.parse_gpus(MIG)
    assert parse_host.parse_mig(MIG_LIST, gpus) == (
        Gpu(1, "GPU-bbbb", "NVIDIA A30", 24576 * 2**20, "535.161.08"),
        Gpu(2, "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "NVIDIA A100-SXM4-40GB MIG 3g.20gb", 20 * 10**9,
            "535.161.08", mig=True),
        Gpu(3, "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb", "NVIDIA A100-SXM4-40GB MIG 1g.5gb", 5 * 10**9,
            "535.161.08", mig=True),
    )  # fmt: skip


def test_a_gpu_without_memory_of_its_own_is_told_of() -> None:
    gpus, problems = parse_host.parse_gpus("0, GPU-cccc, NVIDIA GB10, [N/A], 580.95.05, [N/A]\n")
    assert gpus == ()
    assert problems == ("GPU 0 (NVIDIA GB10) states no memory of its own ([N/A]): left out",)


def test_a_lost_gpu_is_told_of_and_the_other_stays() -> None:
    lost = "Unable to determine the device handle for GPU 0000:41:00.0: GPU is lost.  Reboot the system"
    gpus, problems = parse_host.parse_gpus(f"{lost}\n{TWO_GPUS.splitlines()[1]}\n")
    assert [gpu.index for gpu in gpus] == [1]
    assert problems == (f"nvidia-smi: {lost}",)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Docker version 28.2.2, build e6534b4\n", "28.2.2"),
        ("Docker version 20.10.24+dfsg1, build 297e128\n", "20.10.24+dfsg1"),
        ("2.40.3\n", "2.40.3"),
        ("v2.40.3-desktop.1\n", "2.40.3-desktop.1"),
        ("Docker Compose version v2.36.2\n", "2.36.2"),
        ("command not found\n", ""),
    ],
)
def test_docker_versions(text: str, version: str) -> None:
    assert parse_host.docker_version(text) == version


@pytest.mark.parametrize(("machine", "arch"), [("aarch64", "arm64"), ("arm64", "arm64"), ("AMD64", "x86_64")])
def test_architectures_have_one_name(machine: str, arch: str) -> None:
    assert parse_host.arch(machine) == arch


@given(st.text(max_size=500))
def test_no_output_breaks_a_parser(text: str) -> None:
    gpus, _ = parse_host.parse_gpus(text)
    parse_host.parse_mig(text, gpus)
    parse_host.parse_cpuinfo(text)
    parse_host.parse_sysctl(text)
    parse_host.docker_version(text)


def test_free_memory_of_gpus() -> None:
    text = "0, 81008\n1, [N/A]\n 2, 24117\n\nNVIDIA-SMI has failed\n"
    assert parse_host.parse_free(text) == {0: 81008 * 2**20, 2: 24117 * 2**20}
    assert parse_host.parse_free("") == {}
