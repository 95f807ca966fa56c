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
    layers = [(8, 4), (8, None), (8, 4), (0, None), (2, None)]
    assert group(layers) == (KvGroup(2, 8, 4), KvGroup(1, 8), KvGroup(1, 2))
