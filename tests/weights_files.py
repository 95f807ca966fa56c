"""Small weights, written by hand: GGUF and safetensors of any shape and any kind of damage."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

F32, Q8_0 = 0, 8
"""Tensor types of ggml: 4 bytes a number, and 34 bytes for 32 numbers."""


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(item: Any) -> bytes:
    """A metadata value with its type: bool, int (u32), float, text, lists of those."""
    kind, data = _value(item)
    return struct.pack("<I", kind) + data


def _value(item: Any) -> tuple[int, bytes]:
    if isinstance(item, bool):
        return 7, struct.pack("<?", item)
    if isinstance(item, int):
        return 4, struct.pack("<I", item)
    if isinstance(item, float):
        return 6, struct.pack("<f", item)
    if isinstance(item, str):
        return 8, text(item)
    parts = [_value(one) for one in item]
    kind = parts[0][0] if parts else 4
    return 9, struct.pack("<IQ", kind, len(parts)) + b"".join(data for _, data in parts)


def gguf(
    metadata: Mapping[str, Any], tensors: Mapping[str, tuple[int, tuple[int, ...], int]], *, version: int = 3
) -> bytes:
    """A whole file. tensors: name -> (type, dimensions, bytes); their data is zeros."""
    align = metadata.get("general.alignment", 32)
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    head += b"".join(text(key) + value(item) for key, item in metadata.items())
    offset, body = 0, b""
    for name, (kind, dims, size) in tensors.items():
        head += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
        body += bytes(size) + bytes(-size % align)
        offset = len(body)
    return head + bytes(-len(head) % align) + body


def safetensors(tensors: Mapping[str, tuple[int, ...]]) -> bytes:
    """A whole file of float32 tensors by shape."""
    header: dict[str, Any] = {"__metadata__": {"format": "mlx"}}
    offset = 0
    for name, shape in tensors.items():
        size = 4
        for dim in shape:
            size *= dim
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    data = json.dumps(header).encode()
    return struct.pack("<Q", len(data)) + data + bytes(offset)


CONFIG = {
    "model_type": "qwen3",
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "hidden_size": 32,
    "max_position_embeddings": 4096,
}


def model_folder(folder: Path, *, shards: int = 1) -> Path:
    """A model folder with config, tokenizer, template and safetensors, in one file or in several with an index."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    (folder / "tokenizer.json").write_text("{}")
    if shards == 1:
        (folder / "model.safetensors").write_bytes(safetensors({"a": (10, 10), "b": (5,)}))
        return folder
    names = [f"model-{i + 1:05d}-of-{shards:05d}.safetensors" for i in range(shards)]
    for i, name in enumerate(names):
        (folder / name).write_bytes(safetensors({f"t{i}": (10, 10)}))
    index = {"metadata": {}, "weight_map": {f"t{i}": name for i, name in enumerate(names)}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder
