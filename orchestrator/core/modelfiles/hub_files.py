"""Which files of a hub repository an engine needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_BESIDE = (".json", ".jinja", ".model", ".tiktoken", ".txt", ".py")
"""Configuration, template, tokenizer, and the code of models that bring their own."""


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository. size in bytes; etag: how the hub's cache calls its content, a SHA-256 for large files
    (LFS), git's blob id (SHA-1) for small ones."""

    name: str
    size: int
    etag: str


def folder_files(names: Iterable[str]) -> tuple[str, ...]:
    """What an engine that reads a folder needs: the safetensors at the root, and all that describes them there, and the
    configuration of modules one folder below (`1_Pooling/config.json` of an embedding model).

    () where there are no safetensors. A second copy in Mistral's layout (consolidated*.safetensors) is left out.
    """
    names = tuple(names)
    weights = [name for name in names if name.endswith(".safetensors") and "/" not in name]
    weights = [name for name in weights if not name.startswith("consolidated")] or weights
    beside = [name for name in names if name.endswith(_BESIDE) and "/" not in name]
    beside += [name for name in names if re.fullmatch(r"\d_[^/]+/config\.json", name)]
    return tuple(beside + weights) if weights else ()


def split_parts(file: str) -> tuple[str, ...]:
    """All parts of a split file (`name-00001-of-00003.gguf`, `model-00001-of-00002.safetensors`), or it alone."""
    hit = re.fullmatch(r"(.*-)\d{5}-of-(\d{5})(\.gguf|\.safetensors)", file)
    if not hit:
        return (file,)
    return tuple(f"{hit[1]}{i:05d}-of-{hit[2]}{hit[3]}" for i in range(1, int(hit[2]) + 1))


def proper(name: str) -> bool:
    """Whether a file's or a revision's name from outside may become a path below a folder of ours."""
    return bool(name) and not name.startswith("/") and not {"..", ".", ""} & set(name.split("/")) and "\0" not in name
