"""How weights are called, and how layers are grouped."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.core.spec import Source
from orchestrator.core.weights import KvGroup, group, weights_key


@pytest.mark.parametrize(
    ("source", "key"),
    [
        ({"path": "/models/tiny"}, "/models/tiny"),
        ({"repo": "org/name"}, "org/name@main"),
        ({"repo": "org/name", "revision": "v1", "file": "x-q8.gguf"}, "org/name@v1:x-q8.gguf"),
        ({"path": "/m.gguf", "mmproj": "p.gguf", "draft": "d.gguf"}, "/m.gguf+mmproj:p.gguf+draft:d.gguf"),
        ({"url": "https://x/v1", "model": "m"}, ""),
        ({"tag": "qwen3:30b"}, ""),
    ],
)
def test_a_sources_key(source: dict[str, Any], key: str) -> None:
    assert weights_key(Source.model_validate(source)) == key


def test_layers_are_grouped_in_the_order_of_their_first() -> None:
    layers = [(8, 4, 2), (8, None, 2), (8, 4, 2), (0, None, 2), (2, None, 2), (2, None, 1)]
    full, window = KvGroup(1, 8, None, 2), KvGroup(2, 8, 4, 2)
    assert group(layers) == (window, full, KvGroup(1, 2, None, 2), KvGroup(1, 2, None, 1))


@pytest.mark.parametrize(
    ("heads", "gpus", "each"), [(8, 4, 2), (8, 8, 1), (2, 4, 1), (1, 8, 1), (8, 3, 3), (4, 1, 4), (1, 1, 1)]
)
def test_each_gpu_holds_at_least_one_whole_head(heads: int, gpus: int, each: int) -> None:
    """As vLLM: max(1, heads // GPUs), which must be even there."""
    assert KvGroup(1, heads * 256, heads=heads).on(gpus) == gpus * each * 256


def test_heads_that_are_not_known_count_as_divided() -> None:
    assert KvGroup(1, 100).on(4) == 100
