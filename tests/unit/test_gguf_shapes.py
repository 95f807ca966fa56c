"""GGUF metadata of real models (shortened to what counts) -> what their layers hold in llama.cpp."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.modelfiles.gguf_shapes import gguf_shape
from orchestrator.core.weights import KvGroup


def meta(arch: str, **values: Any) -> dict[str, Any]:
    """`meta("qwen3", block_count=2, attention__head_count=4)`: names with their prefix, __ is a dot."""
    named = {f"{arch}.{name.replace('__', '.')}": value for name, value in values.items()}
    return {"general.architecture": arch, **named}


QWEN3MOE = meta(
    "qwen3moe",
    block_count=48,
    context_length=262144,
    embedding_length=2048,
    attention__head_count=32,
    attention__head_count_kv=4,
    attention__key_length=128,
    attention__value_length=128,
)
LLAMA = meta(
    "llama", block_count=32, context_length=8192, embedding_length=4096, attention__head_count=32,
    attention__head_count_kv=8,
)  # fmt: skip
GEMMA3 = meta(
    "gemma3", block_count=34, context_length=131072, attention__head_count=8, attention__head_count_kv=4,
    attention__key_length=256, attention__value_length=256, attention__sliding_window=1024,
)  # fmt: skip
GPT_OSS = meta(
    "gpt-oss", block_count=24, context_length=131072, attention__head_count=64, attention__head_count_kv=8,
    attention__key_length=64, attention__value_length=64, attention__sliding_window=128,
)  # fmt: skip
DEEPSEEK2 = meta(
    "deepseek2", block_count=61, context_length=163840, attention__head_count=128, attention__head_count_kv=1,
    attention__key_length=576, attention__value_length=512, attention__key_length_mla=192,
    attention__value_length_mla=128, attention__kv_lora_rank=512,
)  # fmt: skip
QWEN3NEXT = meta(
    "qwen3next", block_count=48, context_length=262144, attention__head_count=16, attention__head_count_kv=2,
    attention__key_length=256, attention__value_length=256, ssm__conv_kernel=4, ssm__inner_size=4096,
    ssm__state_size=128, ssm__group_count=16, ssm__time_step_rank=32,
)  # fmt: skip
LFM2 = meta(
    "lfm2", block_count=4, context_length=128000, embedding_length=2048, attention__head_count=32,
    attention__head_count_kv=[0, 0, 8, 0], shortconv__l_cache=3,
)  # fmt: skip
NEMOTRON = meta(
    "nemotron_h", block_count=4, embedding_length=4480, attention__head_count=40, attention__key_length=128,
    attention__value_length=128, attention__head_count_kv=[0, 0, 8, 0], feed_forward_length=[0, 15680, 0, 0],
    ssm__conv_kernel=4, ssm__inner_size=10240, ssm__state_size=128, ssm__group_count=8,
)  # fmt: skip
GEMMA4 = meta(
    "gemma4", block_count=6, attention__head_count=8, attention__head_count_kv=[2, 2, 2, 1, 2, 1],
    attention__key_length=512, attention__value_length=512, attention__key_length_swa=256,
    attention__value_length_swa=256, attention__sliding_window=512, attention__shared_kv_layers=2,
    attention__sliding_window_pattern=[True, True, True, False, True, False],
)  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "kv", "state"),
    [
        (QWEN3MOE, [KvGroup(48, 4 * 256)], 0),
        (LLAMA, [KvGroup(32, 8 * 256)], 0),
        (LLAMA | {"llama.nextn_predict_layers": 1}, [KvGroup(31, 8 * 256)], 0),
        (LLAMA | {"llama.attention.sliding_window": 4096}, [KvGroup(32, 8 * 256)], 0),
        (GEMMA3, [KvGroup(29, 4 * 512, 1024), KvGroup(5, 4 * 512)], 0),
        (GPT_OSS, [KvGroup(12, 8 * 128, 128), KvGroup(12, 8 * 128)], 0),
        (DEEPSEEK2, [KvGroup(61, 576)], 0),
        (QWEN3NEXT, [KvGroup(12, 2 * 512)], 36 * 4 * (128 * 4096 + 3 * (4096 + 2 * 16 * 128))),
        (LFM2, [KvGroup(1, 8 * 128)], 3 * 4 * 2048 * 2),
        (NEMOTRON, [KvGroup(1, 8 * 256)], 2 * 4 * (128 * 10240 + 3 * (10240 + 2 * 8 * 128))),
        (GEMMA4, [KvGroup(3, 2 * 512, 512), KvGroup(1, 1024)], 0),
        ({"general.architecture": "clip"}, [], 0),
        ({}, [], 0),
    ],
)
def test_what_layers_hold(metadata: dict[str, Any], kv: list[KvGroup], state: int) -> None:
    found = gguf_shape(metadata)
    assert (found.kv, found.state) == (tuple(kv), state)


@pytest.mark.parametrize(
    ("kind", "name"), [(0, "F32"), (7, "Q8_0"), (15, "Q4_K_M"), (32, "BF16"), (38, "MXFP4"), (4, ""), (1024, "")]
)
def test_quantization(kind: int, name: str) -> None:
    assert gguf_shape(LLAMA | {"general.file_type": kind}).quantization == name


def test_name_and_context() -> None:
    assert (gguf_shape(QWEN3MOE).model_type, gguf_shape(QWEN3MOE).context) == ("qwen3moe", 262144)


junk = (
    st.none() | st.booleans() | st.integers(-5, 2**34) | st.text(max_size=3) | st.lists(st.integers(-1, 9), max_size=5)
)


@given(st.sampled_from([QWEN3NEXT, GEMMA4, LFM2, NEMOTRON, DEEPSEEK2]), st.data())
def test_no_metadata_breaks_it(metadata: dict[str, Any], data: st.DataObject) -> None:
    keys = data.draw(st.sets(st.sampled_from(sorted(metadata)), max_size=4))
    shape = gguf_shape(metadata | {key: data.draw(junk) for key in sorted(keys)})
    assert all(group.layers > 0 and group.values > 0 for group in shape.kv)
