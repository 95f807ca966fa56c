"""Weights of a model folder or a GGUF, kept by the state of the files that they were read from."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from orchestrator.core.host_json import weights_from_json, weights_to_json
from orchestrator.core.weights import Weights
from orchestrator.edge import keep
from orchestrator.edge.modelfiles import folder as folders

FORMAT = 2
"""Raise it when what is read from the same files changes."""

_READ = ("config.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json", folders.INDEX)


def read_folder(path: Path) -> Weights:
    """Raises BadWeights, MissingFile, OSError."""
    files = [path / name for name in _READ] + folders.shards(path)
    return _kept(files, lambda: _folder(path))


def read_gguf_model(path: Path) -> Weights:
    """Raises BadWeights, OSError."""
    files = folders.parts(path)
    for file in files:
        file.stat()
    return _kept(files, lambda: _gguf(path))


def _kept(files: list[Path], read: Callable[[], Weights]) -> Weights:
    key = f"{FORMAT}\n{folders.stamp(files)}"
    if text := keep.get("weights", key):
        with contextlib.suppress(ValueError):  # written by another version of us
            return weights_from_json(text)
    weights = read()
    keep.put("weights", key, weights_to_json(weights))
    return weights


# the readers are imported where they are needed: mostly all is kept already
def _folder(path: Path) -> Weights:
    from orchestrator.core.modelfiles.config_shapes import config_shape
    from orchestrator.edge.modelfiles.safetensors import read_safetensors

    config = path / "config.json"
    shape = config_shape(folders.read_json(config))
    total, digest = 0, hashlib.sha256()
    for shard in folders.shards(path):
        header = read_safetensors(shard)
        total += header.size
        digest.update(header.digest.encode())
    template = folders.template(path)
    # an engine's answers depend on these, too
    for name in _READ[:2]:
        digest.update((path / name).read_bytes() if (path / name).exists() else b"")
    digest.update(template.encode())
    return Weights(
        path=str(path),
        size=total,
        model_type=shape.model_type,
        context=shape.context,
        kv=shape.kv,
        state=shape.state,
        template=template,
        quantization=shape.quantization,
        digest=digest.hexdigest(),
        origin=str(config),
        call=call_of(path),
    )


def _gguf(path: Path) -> Weights:
    from orchestrator.core.modelfiles.gguf_shapes import gguf_shape
    from orchestrator.edge.modelfiles import gguf

    found = gguf.read_gguf(path)
    shape = gguf_shape(found.metadata)
    names = ("tokenizer.chat_template.tool_use", "tokenizer.chat_template")
    template = next((text for name in names if isinstance(text := found.metadata.get(name), str)), "")
    weights = Weights(str(path), found.size, shape.model_type, shape.context, shape.kv, shape.state)
    weights = replace(
        weights, template=template, quantization=shape.quantization, digest=found.digest, origin=str(path)
    )
    return replace(weights, call=call_of(path))


def call_of(path: Path, like: Path | None = None) -> str:
    """What the template of a folder, a GGUF or a Jinja file makes of the known call; "" where it cannot be used, of
    which `stack check` tells. like: where the tokens come from that a Jinja file does not name."""
    from orchestrator.edge.modelfiles.chat_template import BadTemplate, look, read

    try:
        template = read(path)
        tokens = read(like) if like else None
        if template and tokens:
            template = replace(template, tokens=tokens.tokens)
        return look(template).call if template else ""
    except BadTemplate:
        return ""
