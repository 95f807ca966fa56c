"""How much memory a launch takes, pool by pool, with the arithmetic in words. All sizes in bytes."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.core.backend import Reserves
from orchestrator.core.host import Host
from orchestrator.core.plan import Pool
from orchestrator.core.spec import Stack
from orchestrator.core.units import show_size
from orchestrator.core.weights import Weights

GIB = 2**30

KV_BYTES = {None: 2.0, "f16": 2.0, "bf16": 2.0, "fp8": 1.0, "q8": 34 / 32, "q4": 18 / 32}
"""Bytes a number: q8 and q4 carry a scale (and offset) per block of 32 or 64, alike in GGUF and MLX."""

STEP = 256
"""Automatic contexts are whole multiples of this many tokens."""

PAGE = 128
"""Tokens a page of a paged cache holds at most, in vLLM on a CPU; 16 on CUDA. One page is never handed out."""
PAGED_BATCH = 2048
"""Tokens that vLLM computes in one step (--max-num-batched-tokens): a layer with a window holds them beside it."""

WORK = GIB
"""What an engine takes on each of its GPUs beside weights and KV: the CUDA context, activations, captured graphs."""

LEAST = 512
"""A model whose memory does not hold a context of this length does not fit."""


def main_pool(host: Host, stack: Stack) -> tuple[Pool, str]:
    """The pool of launches without a GPU of their own, and why its reserve is what it is."""
    asked = stack.budget.host.reserve if stack.budget.host else None
    if host.apple:
        size = min(host.memory, host.apple.wired_limit)
        # below the wired limit macOS keeps the rest of the memory anyway
        reserve = asked if asked is not None else max(size // 16 if size < host.memory else size // 8, GIB)
        limit = f"the GPU may wire {show_size(host.apple.wired_limit)} of {show_size(host.memory)}"
        kept = "budget.host.reserve" if asked is not None else "kept for the system and the engines' own buffers"
        return Pool("unified", size, min(reserve, size)), f"{limit}; {show_size(reserve)} {kept}"
    reserve = asked if asked is not None else min(max(host.memory // 8, GIB), 8 * GIB)
    kept = "budget.host.reserve" if asked is not None else "an eighth (1 to 8 GiB) kept for the system"
    return Pool("host", host.memory, min(reserve, host.memory)), f"{show_size(reserve)} {kept}"


def gpu_pool(index: int) -> str:
    return f"gpu:{index}"


def pools(host: Host, stack: Stack) -> tuple[tuple[Pool, str], ...]:
    """All pools with the reasons of their reserves: the main one, then one for each GPU or MIG instance."""
    found = [main_pool(host, stack)]
    for gpu in host.gpus:
        asked = stack.budget.gpu.get(gpu.index)
        reserve = asked.reserve if asked is not None else min(max(gpu.memory // 32, GIB // 4), GIB)
        kept = f"budget.gpu.{gpu.index}.reserve" if asked is not None else "a 32nd (256 MiB to 1 GiB) kept for others"
        pool = Pool(gpu_pool(gpu.index), gpu.memory, min(reserve, gpu.memory))
        found.append((pool, f"{gpu.name}; {show_size(reserve)} {kept}"))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Cache:
    """How a backend holds the KV of its requests. per_value: bytes a number; contexts: full contexts reserved; gpus:
    that divide the heads of each layer among them."""

    reserves: Reserves
    concurrency: int
    per_value: float = 2.0
    gpus: int = 1

    @property
    def contexts(self) -> int:
        return {"paged": 1, "external": 0, "cached": self.concurrency + 1}.get(self.reserves, self.concurrency)

    @property
    def words(self) -> str:
        many = "" if self.concurrency == 1 else "s"
        return {
            "slots": f"{self.concurrency} slot{many}",
            "unbounded": f"{self.concurrency} request{many}",
            "cached": f"({self.concurrency} request{many} + 1 in the prompt cache)",
            "paged": "1 full context",
            "external": "",
        }[self.reserves]


def per_context(weights: Weights, tokens: int, per_value: float) -> int:
    """Bytes of KV and state that one request of so many tokens holds."""
    values = sum(g.layers * g.values * min(tokens, g.window or tokens) for g in weights.kv)
    return int(values * per_value) + weights.state


def held(window: int | None, tokens: int, cache: Cache) -> int:
    """Tokens that a layer keeps of a request of so many: whole pages and a spare one where the cache is paged
    (vllm/v1/core/kv_cache_utils.py refuses to start with less)."""
    if cache.reserves != "paged":
        return min(tokens, window or tokens)
    return -(-min(tokens, window + PAGED_BATCH if window else tokens) // PAGE) * PAGE + PAGE


def kv_bytes(weights: Weights, tokens: int, cache: Cache) -> int:
    """On all GPUs, of all contexts that are reserved; a paged cache rounds states up to its pages, at most to twice
    their size."""
    values = sum(g.layers * g.on(cache.gpus) * held(g.window, tokens, cache) for g in weights.kv)
    state = weights.state * (2 if cache.reserves == "paged" else 1)
    return (int(values * cache.per_value) + state) * cache.contexts


def kv_formula(weights: Weights, tokens: int, cache: Cache) -> str:
    """`5 layers x 256 values x 2 B x 8192 tokens x 2 slots = 40 MiB`."""
    parts = []
    for group in weights.kv:
        kept = held(group.window, tokens, cache)
        window = " (their window)" if group.window and group.window < tokens else ""
        layers = "layer" if group.layers == 1 else "layers"
        copies = group.on(cache.gpus) / group.values
        copied = f"{group.values} values" + (f" x {copies:g} copies" if copies > 1 else "")
        parts.append(f"{group.layers} {layers} x {copied} x {cache.per_value:g} B x {kept} tokens{window}")
    if weights.state:
        parts.append(f"{show_size(weights.state)} state{' x 2' if cache.reserves == 'paged' else ''}")
    if not parts:
        return "no KV cache known"
    inner = parts[0] if len(parts) == 1 else "(" + " + ".join(parts) + ")"
    return f"{inner} x {cache.words} = {show_size(kv_bytes(weights, tokens, cache))}"


def largest_context(weights: Weights, room: int, cache: Cache, most: int) -> int:
    """The longest context, at most `most`, whose KV fits into `room` bytes; 0 if not even LEAST tokens do."""
    if kv_bytes(weights, most, cache) <= room:
        return most
    low, high = 0, most // STEP
    while low < high:  # KV never shrinks with tokens
        middle = (low + high + 1) // 2
        if kv_bytes(weights, middle * STEP, cache) <= room:
            low = middle
        else:
            high = middle - 1
    return low * STEP if low * STEP >= min(LEAST, most) else 0
