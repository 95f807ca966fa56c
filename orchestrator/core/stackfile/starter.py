"""The stack.yaml that `stack init` writes: one model that fits the machine, for the backends it can run."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.host import Host


@dataclass(frozen=True, slots=True)
class Starter:
    """A model that calls tools, as two backends want it. size: rough bytes of its 4-bit weights."""

    name: str
    size: int
    mlx: str
    gguf: str
    file: str


STARTERS = (
    Starter(
        "qwen3-coder-30b",
        18 * 2**30,
        "mlx-community/Qwen3-Coder-30B-A3B-Instruct-4bit",
        "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF",
        "Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf",
    ),
    Starter(
        "qwen3-4b",
        5 * 2**29,
        "mlx-community/Qwen3-4B-Instruct-2507-4bit",
        "unsloth/Qwen3-4B-Instruct-2507-GGUF",
        "Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
    ),
    Starter(
        "qwen3-1.7b",
        2**30,
        "mlx-community/Qwen3-1.7B-4bit",
        "unsloth/Qwen3-1.7B-GGUF",
        "Qwen3-1.7B-Q4_K_M.gguf",
    ),
    Starter(
        "qwen3-0.6b",
        2**29,
        "mlx-community/Qwen3-0.6B-4bit",
        "unsloth/Qwen3-0.6B-GGUF",
        "Qwen3-0.6B-Q4_K_M.gguf",
    ),
)
"""Largest first. Names as on Hugging Face."""


def starter(host: Host) -> Starter:
    """The largest whose weights take at most half of the memory that models may use here."""
    room = _room(host)
    return next((one for one in STARTERS if one.size <= room // 2), STARTERS[-1])


def backends(host: Host) -> tuple[str, ...]:
    """What the file names, best first: installed ones before those that could be."""
    fitting = ("vllm-mlx", "mlx-lm", "llama-cpp") if host.system == "macos" else ("llama-cpp", "mlx-lm")
    return tuple(sorted(fitting, key=lambda name: name not in host.engines))


def starter_text(host: Host) -> str:
    """The commented file."""
    chosen, order = starter(host), backends(host)
    sources = "\n".join(f"      {name}: {_source(name, chosen)}" for name in order)
    missing = [name for name in order if name not in host.engines]
    note = f"\n# not installed yet: {', '.join(missing)} (`stack plan` says how to get them)" if missing else ""
    return f"""\
# What should run on this machine. `stack up` makes it so, `stack schema` has every key.
version: 1

endpoint:
  listen: 127.0.0.1:8484        # point any OpenAI client at http://127.0.0.1:8484/v1; other machines need `keys`

# Backends in order of preference: the first that can run here is taken, and `stack plan` says why.{note}
selection: [{", ".join(order)}]

models:
  {f"{chosen.name}:":<30}# the name that clients ask for
    capabilities: [chat, tools]
    context: 32768              # tokens that one request may use
    sources:                    # the same model, as each backend wants it; `stack up` downloads what it needs
{sources}
    serve:
      concurrency: 2            # requests at once; more wait in a queue
      max_tokens: 4096          # of an answer whose client names no limit
    roles: [default]            # the model that is loaded at start

probe: {{on_up: quick, tools: required}}   # `stack up` proves that tools work, and says so if they do not
"""


def _source(backend: str, chosen: Starter) -> str:
    if backend == "llama-cpp":
        return f"{{repo: {chosen.gguf}, file: {chosen.file}}}"
    return f"{{repo: {chosen.mlx}}}"


def _room(host: Host) -> int:
    if host.apple is not None:
        return host.apple.wired_limit
    return max((gpu.memory for gpu in host.gpus), default=host.memory // 2)
