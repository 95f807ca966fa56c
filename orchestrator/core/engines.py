"""What each backend's engine is called on disk, and how it is had. Data; found on a host by edge/host/detect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.core.host import System


@dataclass(frozen=True, slots=True)
class Program:
    """An engine's executable.

    help: arguments that make it list its options; distribution: the Python distribution whose version counts,
    "" for a native program, which is asked with `version` arguments instead; env: a variable that may hold its path;
    install: what to type, by system, where `stack engine install` does not make it.
    """

    name: str
    executable: str
    help: tuple[str, ...] = ("--help",)
    distribution: str = ""
    version: tuple[str, ...] = ()
    env: str = ""
    install: Mapping[System, str] = field(default_factory=dict)


def _both(text: str) -> dict[System, str]:
    return {"linux": text, "macos": text}


PROGRAMS: Mapping[str, Program] = {
    program.name: program
    for program in (
        Program("mlx-lm", "mlx_lm.server", distribution="mlx-lm", install=_both("stack engine install mlx-lm")),
        Program(
            "vllm-mlx",
            "vllm-mlx",
            help=("serve", "--help"),
            distribution="vllm-mlx",
            install=_both("stack engine install vllm-mlx"),
        ),
        Program(
            "llama-cpp",
            "llama-server",
            version=("--version",),
            env="STACK_LLAMA_SERVER",
            install={
                "macos": "brew install llama.cpp",
                "linux": "unpack a release of https://github.com/ggml-org/llama.cpp/releases onto PATH",
            },
        ),
        Program(
            "vllm",
            "vllm",
            help=("serve", "--help=all"),
            distribution="vllm",
            install={
                "linux": "uv tool install vllm",
                "macos": "vLLM has no macOS build: use vllm-mlx (stack engine install vllm-mlx)",
            },
        ),
        Program(
            "ollama",
            "ollama",
            help=("serve", "--help"),
            version=("--version",),
            install={"macos": "brew install ollama", "linux": "install Ollama as its site says (ollama.com)"},
        ),
        Program(
            "rapid-mlx",
            "rapid-mlx",
            help=("serve", "--help"),
            distribution="rapid-mlx",
            install=_both("uv tool install rapid-mlx"),
        ),
        Program(
            "transformers",
            "transformers",
            help=("serve", "--help"),
            distribution="transformers",
            install=_both("uv tool install 'transformers[serving]'"),
        ),
        Program("lm-studio", "lms", install=_both("install LM Studio from https://lmstudio.ai, then start it once")),
    )
}
"""By backend name. openai and command have no engine of their own."""

LLAMA_SWAP = Program(
    "llama-swap",
    "llama-swap",
    version=("-version",),
    env="STACK_LLAMA_SWAP",
    install={
        "macos": "brew install llama-swap",
        "linux": "unpack a release of https://github.com/mostlygeek/llama-swap/releases onto PATH",
    },
)


def parse_version(text: str) -> str:
    """The version in what a native program prints: `version: 6123 (a1b2c3d)` -> `6123`, `ollama version is 0.12.3` ->
    `0.12.3`; "" if it says none. llama.cpp counts builds.
    """
    hit = re.search(r"version:?\s+(?:is\s+)?v?(\d[\w.+-]*)", text, re.IGNORECASE)
    return hit[1] if hit else ""


def parse_help(text: str) -> tuple[str, ...]:
    """Every option that a --help text lists, sorted: `--port`, `-c`.

    Read are the option columns (lines that start with a dash after few blanks, up to the description) and the usage
    block of argparse; options named inside a description do not count.
    """
    found: set[str] = set()
    for line in _usage(text) + [_column(line) for line in text.splitlines()]:
        found.update(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", line))
    return tuple(sorted(found))


def _usage(text: str) -> list[str]:
    """argparse's usage block: from `usage:` to the first empty line; its brackets hold every option."""
    hit = re.search(r"^usage:.*?(?=\n\s*\n|\Z)", text, re.MULTILINE | re.DOTALL | re.IGNORECASE)
    return re.findall(r"\[\s*(-[^\]]*)", hit[0]) if hit else []


def _column(line: str) -> str:
    """The option column of a line: `  -c, --ctx-size N   size of ...` -> `-c, --ctx-size N`; "" if it has none."""
    hit = re.match(r"[ │|]{0,8}(-{1,2}[A-Za-z].*)", line)
    # llama-server lists what it no longer takes, too
    if not hit or "the argument has been removed" in line:
        return ""
    # two blanks end the column, but llama-server pads between its short and long options, too: `-c,    --ctx-size N`
    return re.split(r"(?<![,])\s{2,}", re.sub(r",\s+", ", ", hit[1]))[0]


def pinned(requirements: str) -> tuple[str, str]:
    """(name, version) of the first pin in a requirement file. ValueError if it has none."""
    hit = re.search(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,-]*\])?==([\w.+!-]+)", requirements, re.MULTILINE)
    if not hit:
        raise ValueError("no pinned requirement")
    return hit[1], hit[2]
