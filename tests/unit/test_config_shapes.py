"""config.json of real models (shortened to what counts) -> what their layers hold."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.modelfiles.config_shapes import config_shape
from orchestrator.core.weights import KvGroup

QWEN3_CODER = {
    "model_type": "qwen3_moe",
    "num_hidden_layers": 48,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "hidden_size": 2048,
    "max_position_embeddings": 262144,
    "use_sliding_window": False,
    "sliding_window": None,
    "max_window_layers": 48,
    "quantization": {"group_size": 64, "bits": 8},
    "torch_dtype": "bfloat16",
}
LLAMA = {
    "model_type": "llama",
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "max_position_embeddings": 131072,
}
MISTRAL_01 = LLAMA | {"model_type": "mistral", "sliding_window": 4096, "max_position_embeddings": 32768}
QWEN25_WINDOW = LLAMA | {
    "model_type": "qwen2",
    "use_sliding_window": True,
    "sliding_window": 1000,
    "max_window_layers": 28,
}
GEMMA2 = {
    "model_type": "gemma2",
    "num_hidden_layers": 42,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 256,
    "hidden_size": 3584,
    "max_position_embeddings": 8192,
    "sliding_window": 4096,
}
GEMMA3 = {  # google/gemma-3-4b-it leaves out what its code takes for granted
    "model_type": "gemma3",
    "text_config": {
        "hidden_size": 2560,
        "model_type": "gemma3_text",
        "num_hidden_layers": 34,
        "sliding_window": 1024,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
    },
    "vision_config": {"hidden_size": 1152, "num_hidden_layers": 27},
}
DEEPSEEK_V3 = {
    "model_type": "deepseek_v3",
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "max_position_embeddings": 163840,
    "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096},
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}
QWEN3_NEXT = {
    "model_type": "qwen3_next",
    "num_hidden_layers": 48,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "head_dim": 256,
    "hidden_size": 2048,
    "full_attention_interval": 4,
    "linear_num_value_heads": 32,
    "linear_num_key_heads": 16,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_conv_kernel_dim": 4,
    "max_position_embeddings": 262144,
}
QWEN35 = {
    "model_type": "qwen3_5_moe",
    "text_config": QWEN3_NEXT
    | {"model_type": "qwen3_5_moe_text", "layer_types": ["linear_attention"] * 3 + ["full_attention"]}
    | {"num_hidden_layers": 4},
}
GPT_OSS = {
    "model_type": "gpt_oss",
    "num_hidden_layers": 24,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "hidden_size": 2880,
    "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 12,
    "max_position_embeddings": 131072,
    "quantization_config": {"quant_method": "mxfp4"},
}
GEMMA4 = {
    "model_type": "gemma4",
    "text_config": {
        "model_type": "gemma4_text",
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "global_head_dim": 512,
        "num_kv_shared_layers": 2,
        "sliding_window": 512,
        "layer_types": ["sliding_attention"] * 3 + ["full_attention"] + ["sliding_attention", "full_attention"],
        "max_position_embeddings": 131072,
    },
}
NEMOTRON_H = {
    "model_type": "nemotron_h",
    "num_hidden_layers": 4,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 4480,
    "hybrid_override_pattern": "M-*M",
    "mamba_num_heads": 128,
    "mamba_head_dim": 80,
    "ssm_state_size": 128,
    "n_groups": 8,
    "conv_kernel": 4,
}

GATED_DELTA_NET = 4 * 32 * 128 * 128 + 2 * (2 * 16 * 128 + 32 * 128) * 3
MAMBA2 = 4 * 128 * 80 * 128 + 2 * (128 * 80 + 2 * 8 * 128) * 3


@pytest.mark.parametrize(
    ("config", "kv"),
    [
        (QWEN3_CODER, [KvGroup(48, 4 * 256, heads=4)]),
        (LLAMA, [KvGroup(32, 8 * 256, heads=8)]),
        (LLAMA | {"num_key_value_heads": None}, [KvGroup(32, 32 * 256, heads=32)]),
        (MISTRAL_01, [KvGroup(32, 8 * 256, 4096, heads=8)]),
        (MISTRAL_01 | {"sliding_window": None}, [KvGroup(32, 8 * 256, heads=8)]),
        (QWEN25_WINDOW, [KvGroup(28, 8 * 256, heads=8), KvGroup(4, 8 * 256, 1000, heads=8)]),
        (GEMMA2, [KvGroup(21, 8 * 512, 4096, heads=8), KvGroup(21, 8 * 512, heads=8)]),
        (GEMMA3, [KvGroup(29, 4 * 512, 1024, heads=4), KvGroup(5, 4 * 512, heads=4)]),
        (DEEPSEEK_V3, [KvGroup(61, 576, heads=1)]),
        (DEEPSEEK_V3 | {"index_head_dim": 128}, [KvGroup(61, 704, heads=1)]),
        (QWEN3_NEXT, [KvGroup(12, 2 * 512, heads=2)]),
        (QWEN35, [KvGroup(1, 2 * 512, heads=2)]),
        (GPT_OSS, [KvGroup(12, 8 * 128, 128, heads=8), KvGroup(12, 8 * 128, heads=8)]),
        (GPT_OSS | {"layer_types": None}, [KvGroup(12, 8 * 128, 128, heads=8), KvGroup(12, 8 * 128, heads=8)]),
        (GEMMA4, [KvGroup(3, 4 * 512, 512, heads=4), KvGroup(1, 4 * 1024, heads=4)]),
        (NEMOTRON_H, [KvGroup(1, 8 * 256, heads=8)]),
        ({"model_type": "whisper"}, []),
    ],
    ids=lambda value: value.get("model_type") if isinstance(value, dict) else "",
)
def test_what_layers_hold(config: dict[str, Any], kv: list[KvGroup]) -> None:
    assert config_shape(config).kv == tuple(kv)


@pytest.mark.parametrize(
    ("config", "state"),
    [
        (QWEN3_CODER, 0),
        (QWEN3_NEXT, 36 * GATED_DELTA_NET),
        (QWEN35, 3 * GATED_DELTA_NET),
        (NEMOTRON_H, 2 * MAMBA2),
    ],
)
def test_state_that_does_not_grow(config: dict[str, Any], state: int) -> None:
    assert config_shape(config).state == state


@pytest.mark.parametrize(
    ("config", "context"),
    [
        (QWEN3_CODER, 262144),
        (GEMMA3, 131072),
        (DEEPSEEK_V3, 163840),
        (
            QWEN3_CODER
            | {"max_position_embeddings": 40960}
            | {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}},
            131072,
        ),
        ({"n_positions": 1024}, 1024),
    ],
)
def test_the_longest_context(config: dict[str, Any], context: int) -> None:
    assert config_shape(config).context == context


@pytest.mark.parametrize(
    ("config", "quantization"),
    [
        (QWEN3_CODER, "8bit"),
        (DEEPSEEK_V3, "fp8"),
        (GPT_OSS, "mxfp4"),
        ({"quantization": {"bits": 4, "mode": "mxfp4"}}, "mxfp4-4bit"),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "awq-4bit"),
        ({"torch_dtype": "bfloat16"}, "bfloat16"),
        ({}, ""),
    ],
)
def test_quantization(config: dict[str, Any], quantization: str) -> None:
    assert config_shape(config).quantization == quantization


def test_the_model_type_is_the_outer_one() -> None:
    assert config_shape(GEMMA3).model_type == "gemma3"
    assert config_shape({"text_config": LLAMA}).model_type == "llama"


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**40) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted({*LLAMA, *QWEN3_NEXT, *GEMMA4["text_config"], *DEEPSEEK_V3})), junk))
def test_no_config_breaks_it(config: dict[str, Any]) -> None:
    shape = config_shape(config)
    assert all(group.layers > 0 and group.values > 0 for group in shape.kv)
    assert shape.state >= 0
