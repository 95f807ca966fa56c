"""config.json of a Hugging Face model -> how much cache its layers hold (core/weights.Shape).

Facts are from the models' configuration_*.py in transformers 5.23 and from the caches that mlx-lm 0.32.2 makes for
them. A layer of a kind not known here counts as full attention: rather too much than too little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from orchestrator.core.weights import Shape, group

Config = Mapping[str, Any]
Kind = Literal["full", "window", "state", "none"]

_NESTED = ("text_config", "llm_config", "language_config", "thinker_config")

_KINDS: Mapping[str, Kind] = {
    "sliding_attention": "window",
    "chunked_attention": "window",
    "linear_attention": "state",
    "mamba": "state",
    "conv": "state",
    "recurrent": "state",
}

_PATTERNS = {"gemma2": 2, "gemma3_text": 6, "gemma3n_text": 5, "cohere2": 4, "gpt_oss": 2}
"""Every how manyeth layer attends to all of the context, where the configuration leaves it to the code."""

_WINDOWED = ("mistral", "mixtral", "starcoder2", "phi3")
"""All layers have the window that `sliding_window` names."""

_DEFAULTS: Mapping[str, Config] = {
    "gemma3_text": {
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "num_hidden_layers": 26,
        "sliding_window": 4096,
        "max_position_embeddings": 131072,
    },
    "gemma2": {"head_dim": 256, "sliding_window": 4096},
    "gpt_oss": {"head_dim": 64, "sliding_window": 128},
}
"""What those configurations leave out because it is the code's default."""


def config_shape(config: Config) -> Shape:
    """Shape of a config.json; multimodal models by their language model. Never raises on a mapping."""
    text = _language(config)
    layers = _int(text, "num_hidden_layers", "n_layer", "n_layers", "num_layers")
    kinds = _kinds(text, min(layers, 10_000))
    held = [_values(text, kind, i) for i, kind in enumerate(kinds)]
    windows = [_window(text) if kind == "window" else None for kind in kinds]
    each = [(values, window, heads) for (values, heads), window in zip(held, windows, strict=True)]
    kept = each[: len(each) - _int(text, "num_kv_shared_layers")]
    return Shape(
        model_type=_text(config, "model_type") or _text(text, "model_type"),
        context=_context(text),
        kv=group(kept),
        state=sum(kind == "state" for kind in kinds) * _state(text),
        quantization=_quantization(config, text),
    )


def _language(config: Config) -> Config:
    """The language model's part, laid over the rest, over what its code takes for granted."""
    merged = dict(config)
    for key in _NESTED:
        inner = config.get(key)
        if isinstance(inner, Mapping):
            merged.update(_language(inner))
    kind = _text(merged, "model_type")
    kind = "gemma3_text" if kind == "gemma3" else kind
    given = {key: value for key, value in merged.items() if value is not None}
    # an explicit null means "no window", and must not be filled in
    return {**_DEFAULTS.get(kind, {}), **given, **{k: None for k in ("sliding_window",) if merged.get(k, 0) is None}}


def _int(config: Config, *names: str, default: int = 0) -> int:
    for name in names:
        value = config.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value and 0 <= value < 2**62:
            return int(value)
    return default


def _text(config: Config, name: str) -> str:
    value = config.get(name)
    return value if isinstance(value, str) else ""


def _list(config: Config, name: str) -> Sequence[Any]:
    value = config.get(name)
    return value if isinstance(value, list) else ()


def _window(text: Config) -> int | None:
    return _int(text, "sliding_window", "attention_chunk_size", "sliding_window_size") or None


def _kinds(text: Config, layers: int) -> list[Kind]:
    """What each layer is, by the first of these that the configuration has."""
    named = _list(text, "layer_types")
    if len(named) >= layers > 0:
        return [_KINDS.get(str(name), "full") for name in named[:layers]]
    if pattern := _text(text, "hybrid_override_pattern"):  # nemotron_h: M = mamba, * = attention, - = MLP
        letters: Mapping[str, Kind] = {"M": "state", "*": "full"}
        return [letters.get(letter, "none") for letter in pattern]
    linear = text.get("linear_attn_config")
    if isinstance(linear, Mapping) and _list(linear, "full_attn_layers"):  # kimi_linear counts from 1
        return ["full" if i + 1 in _list(linear, "full_attn_layers") else "state" for i in range(layers)]
    if _list(text, "full_attn_idxs"):  # lfm2
        return ["full" if i in _list(text, "full_attn_idxs") else "state" for i in range(layers)]
    if _int(text, "linear_num_value_heads"):  # qwen3_next, qwen3_5
        interval = _int(text, "full_attention_interval") or 4
        return ["state" if (i + 1) % interval else "full" for i in range(layers)]
    if period := _int(text, "attn_layer_period"):  # jamba
        return ["full" if i % period == _int(text, "attn_layer_offset") else "state" for i in range(layers)]
    return _windowed(text, layers)


def _windowed(text: Config, layers: int) -> list[Kind]:
    kind = _text(text, "model_type")
    if not _window(text):
        return ["full"] * layers
    if routed := _list(text, "no_rope_layers"):  # llama4: 0 = attends to everything
        return ["window" if flag else "full" for flag in routed[:layers]]
    pattern = _int(text, "sliding_window_pattern", "_sliding_window_pattern") or _PATTERNS.get(kind, 0)
    if pattern:
        return ["window" if (i + 1) % pattern else "full" for i in range(layers)]
    if text.get("use_sliding_window") is True:  # qwen2, qwen3: from that layer on
        first = _int(text, "max_window_layers")
        return ["full" if i < first else "window" for i in range(layers)]
    return ["window" if kind in _WINDOWED and text.get("use_sliding_window") is None else "full"] * layers


def _values(text: Config, kind: Kind, layer: int) -> tuple[int, int]:
    """(K and V numbers per token of one layer, KV heads that they are of)."""
    if kind not in ("full", "window"):
        return 0, 0
    if rank := _int(text, "kv_lora_rank"):
        # MLA keeps the latent and the rope part of the key; deepseek_v32's indexer keeps a key of its own
        return rank + _int(text, "qk_rope_head_dim") + _int(text, "index_head_dim"), 1
    heads = _int(text, "num_attention_heads", "n_head", "n_heads")
    per_layer = _list(text, "num_key_value_heads")
    kv_heads = (
        _int({"n": per_layer[layer]}, "n")
        if layer < len(per_layer)
        else _int(text, "num_key_value_heads", "num_kv_heads", "n_head_kv", default=heads)
    )
    width = _int(text, "hidden_size", "n_embd", "d_model")
    key = _int(text, "head_dim", "attention_head_dim") or (width // heads if heads else 0)
    if kind == "full" and (wide := _int(text, "global_head_dim")):  # gemma4: its full layers have other heads
        key = wide
        if text.get("attention_k_eq_v") is True:
            kv_heads = _int(text, "num_global_key_value_heads", default=kv_heads)
    return kv_heads * (key + _int(text, "v_head_dim", default=key)), kv_heads


def _state(text: Config) -> int:
    """Bytes that one linear, mamba or convolution layer holds per request: float32 state, 16-bit convolution."""
    if value_heads := _int(text, "linear_num_value_heads"):  # gated delta net
        key_heads, key = _int(text, "linear_num_key_heads"), _int(text, "linear_key_head_dim")
        value = _int(text, "linear_value_head_dim")
        channels = 2 * key_heads * key + value_heads * value
        return 4 * value_heads * key * value + 2 * channels * max(_int(text, "linear_conv_kernel_dim") - 1, 0)
    linear = text.get("linear_attn_config")
    if isinstance(linear, Mapping):  # kimi delta attention
        heads, dim = _int(linear, "num_heads"), _int(linear, "head_dim")
        return 4 * heads * dim * dim + 2 * 3 * heads * dim * max(_int(linear, "short_conv_kernel_size") - 1, 0)
    if length := _int(text, "conv_L_cache"):  # lfm2
        return 2 * _int(text, "hidden_size") * (length - 1)
    heads = _int(text, "mamba_n_heads", "mamba_num_heads")
    size, groups = _int(text, "mamba_d_state", "ssm_state_size"), _int(text, "mamba_n_groups", "n_groups", default=1)
    inner = heads * _int(text, "mamba_d_head", "mamba_head_dim") or (
        _int(text, "mamba_expand", default=2) * _int(text, "hidden_size")
    )
    kernel = _int(text, "mamba_d_conv", "conv_kernel", default=4)
    return 4 * inner * size + 2 * (inner + 2 * groups * size) * (kernel - 1) if size else 0


def _context(text: Config) -> int:
    """Tokens. YaRN stretches the original length by its factor, whatever max_position_embeddings says."""
    longest = _int(text, "max_position_embeddings", "n_positions", "max_sequence_length", "seq_length", "n_ctx")
    rope = text.get("rope_scaling") or text.get("rope_parameters")
    if isinstance(rope, Mapping) and "yarn" in (rope.get("rope_type"), rope.get("type")):
        factor = rope.get("factor")
        original = _int(rope, "original_max_position_embeddings")
        if isinstance(factor, int | float) and original and 1 <= factor < 2**20:
            longest = max(longest, int(original * factor))
    return longest


def _quantization(config: Config, text: Config) -> str:
    """`8bit` (MLX), `fp8`, `awq-4bit`, `mxfp4`; else the number format, `bfloat16`."""
    for key in ("quantization", "quantization_config"):
        found = config.get(key) or text.get(key)
        if isinstance(found, Mapping):
            bits, method = _int(found, "bits"), _text(found, "quant_method") or _text(found, "mode")
            width = f"{bits}bit" if bits else ""
            plain = method in ("", "affine")
            return width if plain else "-".join(filter(None, (method, width)))
    return _text(text, "dtype") or _text(text, "torch_dtype")
