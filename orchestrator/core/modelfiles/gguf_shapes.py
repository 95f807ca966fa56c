"""GGUF metadata -> how much cache the model's layers hold in llama.cpp (core/weights.Shape).

Facts are from llama.cpp's src/models/*.cpp (patterns), src/llama-kv-cache.cpp (MLA keeps no V) and
src/llama-hparams.cpp (recurrent state), as vendored by llama-cpp-python 0.3.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.core.weights import Shape, group

_FOURTH = ("cohere2", "cohere2moe", "llama4", "exaone4", "exaone-moe", "olmo2", "afmoe", "mellum", "smallthinker")
_PATTERNS = {
    "gemma2": 2,
    "gpt-oss": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "plamo3": 8,
    **dict.fromkeys((*_FOURTH, "laguna"), 4),
}
"""Every how manyeth layer attends to all of the context, where the file does not say."""

_DENSE_FIRST = ("cohere2moe", "smallthinker", "laguna")
"""There it is the first of each group, else the last."""

_WINDOW = {"gemma2": 4096, "llama4": 8192}
"""The window where the file names none."""

_FILE_TYPES = """F32 F16 Q4_0 Q4_1 - - - Q8_0 Q5_0 Q5_1 Q2_K Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K
IQ2_XXS IQ2_XS Q2_K_S IQ3_XS IQ3_XXS IQ1_S IQ4_NL IQ3_S IQ3_M IQ2_S IQ2_M IQ4_XS IQ1_M BF16 - - - TQ1_0 TQ2_0 MXFP4
NVFP4 Q1_0 Q2_0""".split()  # noqa: SIM905
"""general.file_type, llama.cpp's llama_ftype."""


class _Meta:
    """Metadata under the architecture's own prefix; wrong types read as absent."""

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self.all = metadata
        self.arch = arch if isinstance(arch := metadata.get("general.architecture"), str) else ""

    def number(self, name: str, default: int = 0, layer: int = 0) -> int:
        value = self.all.get(f"{self.arch}.{name}")
        if isinstance(value, list):
            value = value[layer] if layer < len(value) else default
        return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default

    def flags(self, name: str) -> list[bool] | None:
        value = self.all.get(f"{self.arch}.{name}")
        return [bool(item) for item in value] if isinstance(value, list) else None


def gguf_shape(metadata: Mapping[str, Any]) -> Shape:
    """Never raises. model_type is the architecture's name (`qwen3moe`); vision projectors (`clip`) hold no cache."""
    meta = _Meta(metadata)
    blocks = min(meta.number("block_count"), 10_000)
    layers = max(blocks - meta.number("nextn_predict_layers"), 0)
    holding = range(layers - min(meta.number("attention.shared_kv_layers"), layers))
    recurrent = [_recurrent(meta, i, layers) for i in range(layers)]
    windows = _windows(meta, layers)
    # llama.cpp divides layers among GPUs, never heads
    each = [(0 if recurrent[i] else _values(meta, i, windows[i] is not None), windows[i], 0) for i in holding]
    kind = metadata.get("general.file_type")
    named = _FILE_TYPES[kind] if isinstance(kind, int) and 0 <= kind < len(_FILE_TYPES) else ""
    return Shape(
        model_type=meta.arch,
        context=meta.number("context_length"),
        kv=group(each),
        state=sum(recurrent) * _state(meta),
        quantization=named.strip("-"),
    )


def _recurrent(meta: _Meta, layer: int, layers: int) -> bool:
    flags = meta.flags("attention.recurrent_layers")
    if flags and layer < len(flags):
        return flags[layer]
    if meta.arch in ("qwen3next", "qwen35", "qwen35moe"):
        return (layer + 1) % (meta.number("full_attention_interval") or 4) != 0
    hybrid = meta.number("ssm.state_size") or meta.number("shortconv.l_cache") or meta.number("kda.head_dim")
    # an MLP layer of nemotron_h has no KV heads either, but a feed-forward length
    return bool(hybrid) and meta.number("attention.head_count_kv", 0, layer) == 0 and not _only_mlp(meta, layer)


def _only_mlp(meta: _Meta, layer: int) -> bool:
    return meta.arch.startswith("nemotron_h") and meta.number("feed_forward_length", 0, layer) > 0


def _windows(meta: _Meta, layers: int) -> list[int | None]:
    """The window of each layer, None = all of the context."""
    window = meta.number("attention.sliding_window", _WINDOW.get(meta.arch, 0))
    flags = meta.flags("attention.sliding_window_pattern")
    if window and flags:
        return [window if i < len(flags) and flags[i] else None for i in range(layers)]
    pattern = _PATTERNS.get(meta.arch, 0)
    if not window or not pattern:
        return [None] * layers
    pattern = meta.number("attention.sliding_window_pattern", pattern) or pattern
    full = 0 if meta.arch in _DENSE_FIRST else pattern - 1
    return [None if i % pattern == full else window for i in range(layers)]


def _values(meta: _Meta, layer: int, windowed: bool) -> int:
    """K and V numbers per token of one layer."""
    heads = meta.number("attention.head_count", 0, layer)
    kv_heads = meta.number("attention.head_count_kv", heads, layer)
    head = meta.number("embedding_length") // heads if heads else 0
    key, value = meta.number("attention.key_length", head), meta.number("attention.value_length", head)
    if meta.number("attention.key_length_mla"):
        return kv_heads * key
    if windowed:
        key = meta.number("attention.key_length_swa", key)
        value = meta.number("attention.value_length_swa", value)
    return kv_heads * (key + value)


def _state(meta: _Meta) -> int:
    """Bytes of one recurrent layer per request; llama.cpp keeps both states in float32."""
    if length := meta.number("shortconv.l_cache"):
        return 4 * meta.number("embedding_length") * max(length - 1, 0)
    kernel = max(meta.number("ssm.conv_kernel") - 1, 0)
    if head := meta.number("kda.head_dim"):
        heads = max(meta.number("attention.head_count", 0, i) for i in range(2))
        return 4 * heads * head * (head + 3 * (kernel or 3))
    size, inner = meta.number("ssm.state_size"), meta.number("ssm.inner_size")
    return 4 * (size * inner + kernel * (inner + 2 * meta.number("ssm.group_count") * size))
