"""A model folder: its safetensors, config.json and chat template."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestrator.core.modelfiles.hub_files import split_parts
from orchestrator.edge.modelfiles.bad_weights import BadWeights, MissingFile

INDEX = "model.safetensors.index.json"
MAX_JSON = 100_000_000


def read_json(file: Path) -> Mapping[str, Any]:
    """Raises BadWeights where it is no JSON object, MissingFile where it is not there."""
    try:
        if file.stat().st_size > MAX_JSON:
            raise BadWeights(file, "is larger than 100 MB")
        value = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise MissingFile(file, "is not there") from None
    except (ValueError, RecursionError) as error:
        raise BadWeights(file, f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadWeights(file, "is not a JSON object")
    return value


def shards(folder: Path) -> list[Path]:
    """The safetensors files that hold the model, by the index if there is one. Raises BadWeights, MissingFile."""
    index = folder / INDEX
    if index.exists():
        mapped = read_json(index).get("weight_map")
        names = set(mapped.values()) if isinstance(mapped, dict) else set()
        if not names or not all(isinstance(name, str) and "/" not in name for name in names):
            raise BadWeights(index, "has no weight_map of file names")
        found = [folder / name for name in sorted(names)]
        for file in found:
            if not file.exists():
                raise MissingFile(file, f"is named in {INDEX}, but is not there")
        return found
    found = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("*.safetensors"))
    if not found:
        ggufs = sorted(file.name for file in folder.glob("*.gguf"))
        instead = f", but GGUF files: name one of them ({', '.join(ggufs[:3])})" if ggufs else ""
        raise MissingFile(folder, f"holds no safetensors{instead}")
    for name in split_parts(found[0].name):
        if not (folder / name).exists():
            raise MissingFile(folder / name, "is not there")
    return found


def parts(file: Path) -> list[Path]:
    """The files that belong together: itself, or all parts of a split one (`m-00001-of-00003.gguf`), there or not."""
    return [file.with_name(name) for name in split_parts(file.name)]


def has_tokenizer(folder: Path) -> bool:
    names = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt")
    return any((folder / name).exists() for name in names) or any(folder.glob("*.tiktoken"))


def template(folder: Path) -> str:
    """The chat template: chat_template.jinja, else what the tokenizer's or the processor's configuration holds.

    Of several named ones the one for tools, else the default one. "" if there is none. Raises BadWeights.
    """
    try:
        return (folder / "chat_template.jinja").read_text(errors="replace")
    except FileNotFoundError:
        pass
    for name in ("tokenizer_config.json", "chat_template.json"):
        if (folder / name).exists() and (text := named(read_json(folder / name).get("chat_template"))):
            return text
    return ""


def named(value: object) -> str:
    """A chat template as configurations hold it: a text, or a list of {name, template}."""
    if isinstance(value, list):
        by_name = {item.get("name"): item.get("template") for item in value if isinstance(item, dict)}
        value = by_name.get("tool_use") or by_name.get("default")
    return value if isinstance(value, str) else ""


def stamp(files: list[Path]) -> str:
    """What tells the state of files apart: names, sizes and times; those that are not there do not count."""
    stats = ((file, file.stat()) for file in sorted(files) if file.is_file())
    return "\n".join(f"{file}:{stat.st_size}:{stat.st_mtime_ns}" for file, stat in stats)
