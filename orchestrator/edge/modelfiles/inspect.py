"""What the weights of a stack's sources are, from headers alone: local folders and files, and the hub cache. Offline.

What was read is kept by the names, sizes and times of the files, since a large vocabulary takes a while to pass over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.weights import Weights, weights_key
from orchestrator.edge.hub import cache as hub
from orchestrator.edge.hub.cache import is_path
from orchestrator.edge.modelfiles.bad_weights import BadWeights, MissingFile
from orchestrator.edge.modelfiles.folder import has_tokenizer
from orchestrator.edge.modelfiles.read_weights import call_of, read_folder, read_gguf_model
from orchestrator.errors import PlanError, Problem

if TYPE_CHECKING:
    from orchestrator.core.spec import Source, Stack


def inspect(stack: Stack, *, known: Collection[str] = (), missing_ok: bool = False) -> Mapping[str, Weights]:
    """Weights by `weights_key`, for each source that is on this machine; what is not downloaded yet is absent.

    known: keys that need no look (the weights section of `--host FILE`); missing_ok: a `path` that is not there is
    absent, not an error. Raises PlanError with every problem at its YAML path: no such path, truncated or damaged
    files, a config.json that is no JSON.
    """
    found: dict[str, Weights] = {}
    problems: list[Problem] = []
    for model_id, model in stack.models.items():
        for where, _, source in model.ordered_sources():
            key = weights_key(source)
            if not key or key in known or key in found:
                continue
            place = f"models.{model_id}.sources.{where}"
            try:
                if weights := look(source, missing_ok=missing_ok):
                    found[key] = weights
            except Broken as error:
                problems.append(Problem(f"{place}.{error.field}", error.text, error.mend))
    if problems:
        texts = [problem.text for problem in problems]
        raise PlanError(texts[0] if len(texts) == 1 else f"{len(texts)} sources are broken", problems=problems)
    return found


class Broken(ValueError):
    """A source that cannot be used. field: the key of the source at fault; text names the file."""

    def __init__(self, field: str, text: str, mend: str = "") -> None:
        super().__init__(text)
        self.field = field
        self.text = text
        self.mend = mend


def look(source: Source, *, missing_ok: bool = False) -> Weights | None:
    """The weights of one source, None if they are not here (yet). Raises Broken."""
    field = "path" if source.path else "file" if source.file else "repo"
    try:
        weights = _here(source, missing_ok)
        return _with_template(weights, source) if weights else None
    except MissingFile as error:
        if not source.path:
            return None
        raise Broken(field, str(error)) from error
    except BadWeights as error:
        raise Broken(field, str(error), _mend(source)) from error
    except OSError as error:
        raise Broken(field, f"{error.filename or source.path}: {error.strerror or error}") from error


def _here(source: Source, missing_ok: bool) -> Weights | None:
    if source.path:
        path = Path(source.path)
        if not path.exists():
            if missing_ok:
                return None
            raise Broken("path", f"{path}: there is no such file or folder", "correct the path, or download the model")
        return _folder(path, source) if path.is_dir() else _file(path, source)
    folder = hub.snapshot(source.repo, source.revision) if source.repo else None
    if folder is None:
        return None
    if source.file:
        return _file(folder / source.file, source)
    if not has_tokenizer(folder):
        raise MissingFile(folder, "holds no tokenizer")
    return _folder(folder, source)


def _folder(path: Path, source: Source) -> Weights:
    weights = read_folder(path)
    if not source.draft:
        return weights
    draft = Path(source.draft).expanduser() if is_path(source.draft) else hub.snapshot(source.draft, None)
    if draft is None or not draft.is_dir():
        raise MissingFile(Path(source.draft), "is not here")
    return _sum(weights, read_folder(draft), also_cache=True)


def _file(path: Path, source: Source) -> Weights:
    """A GGUF, with its projector and draft model."""
    try:
        weights = read_gguf_model(path)
        for field, name in (("mmproj", source.mmproj), ("draft", source.draft)):
            if name:
                more = read_gguf_model(path.parent / Path(name).expanduser())
                weights = _sum(weights, more, also_cache=field == "draft")
    except FileNotFoundError as error:
        raise MissingFile(Path(str(error.filename)), "is not there") from error
    return weights


def _sum(one: Weights, more: Weights, *, also_cache: bool) -> Weights:
    """What a second model adds: its weights, and a draft model's cache, too."""
    kv, state = (one.kv + more.kv, one.state + more.state) if also_cache else (one.kv, one.state)
    digest = hashlib.sha256((one.digest + more.digest).encode()).hexdigest()
    return replace(one, size=one.size + more.size, kv=kv, state=state, digest=digest)


def _with_template(weights: Weights, source: Source) -> Weights:
    if not source.chat_template:
        return weights
    file = Path(source.chat_template)
    try:
        text = file.read_text(errors="replace")
    except OSError as error:
        raise Broken("chat_template", f"{file}: {error.strerror}") from error
    digest = hashlib.sha256((weights.digest + text).encode()).hexdigest()
    return replace(weights, template=text, digest=digest, call=call_of(file, Path(weights.path)))


def _mend(source: Source) -> str:
    return "copy or download it again" if source.path else "remove that file and run `stack pull`"
