"""Which keys a source of each backend takes, and which it cannot be without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.core.spec import Source

_WEIGHTS = ("repo", "revision", "path", "chat_template", "draft", "engine")
_SERVER = ("url", "model", "key")


@dataclass(frozen=True, slots=True)
class Rule:
    """takes: the keys that mean something; needs: one of these groups must be there in full; words: how to say it."""

    takes: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...]
    words: str


_FOLDER = Rule(_WEIGHTS, (("repo",), ("path",)), "needs `repo`, or `path` to a folder")
_URL = Rule(_SERVER, (("url",),), "needs `url`")

RULES = {
    "vllm": _FOLDER,
    "vllm-mlx": _FOLDER,
    "mlx-lm": _FOLDER,
    "rapid-mlx": _FOLDER,
    "transformers": _FOLDER,
    "llama-cpp": Rule(
        (*_WEIGHTS, "file", "mmproj"), (("path",), ("repo", "file")), "needs `path` to a GGUF, or `repo` and `file`"
    ),
    "ollama": Rule(("tag", "url", "key"), (("tag",),), "needs `tag`"),
    "openai": _URL,
    "lm-studio": Rule(_SERVER, (), ""),
    "command": Rule(("cmd", "check", "stop", "env", "model"), (("cmd",),), "needs `cmd`"),
    "apple-foundation": Rule(("engine",), (), ""),
}


def missing(backend: str, source: Source) -> tuple[str, tuple[str, ...]] | None:
    """(what is missing, the keys that would mend it), None if the source is whole."""
    rule = RULES[backend]
    given = set(_given(source))
    if not rule.needs or any(given.issuperset(group) for group in rule.needs):
        return None
    return f"a source of {backend} {rule.words}", tuple(key for group in rule.needs for key in group)


def misfits(backend: str, source: Source) -> Iterator[tuple[str, str, str]]:
    """(key, what is wrong with it, how to mend it) for keys that this backend's sources do not take."""
    rule = RULES[backend]
    given = _given(source)
    for key in given:
        if key not in rule.takes:
            yield key, f"means nothing to a source of {backend}", _takes(rule)
    if source.repo is not None and source.path is not None and {"repo", "path"} <= set(rule.takes):
        yield "path", "a source has `repo` or `path`, not both", "make it two entries of a list of sources"
    for key in ("revision", "file"):
        if key in rule.takes and key in given and source.repo is None and source.path is not None:
            yield key, "belongs to `repo`, not to `path`", ""
    if rule is _FOLDER and source.path and source.path.lower().endswith(".gguf"):
        yield "path", f"{backend} reads a folder of safetensors, not a GGUF", "a GGUF is for llama-cpp"


def _given(source: Source) -> list[str]:
    """Keys that the file has and that say something, in the shape's order."""
    fields = [key for key in type(source).model_fields if key in source.model_fields_set and key != "backend"]
    return [key for key in fields if getattr(source, key) is not None]


def _takes(rule: Rule) -> str:
    return f"it takes {', '.join(rule.takes)}"
