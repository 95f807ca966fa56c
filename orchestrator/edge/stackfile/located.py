"""Paths of stack.yaml made absolute: `~` is the user's home, relative ones begin at the file's folder."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TypeVar

from orchestrator.core.spec import EngineChoice, Secret, Shape, Source, Stack

T = TypeVar("T", bound=Shape)
_WORD = re.compile(r"\A(|-[^=\s]*=)((?:\.\.?|~)/.*)\Z", re.DOTALL)


def located(stack: Stack, folder: Path) -> Stack:
    """The same stack with absolute paths. folder: absolute."""

    def whole(text: str | None) -> str | None:
        return None if text is None else os.path.normpath(folder / os.path.expanduser(text))

    def if_path(text: str | None) -> str | None:
        """`mmproj` and `draft` may also name a file in the repository."""
        return whole(text) if text and text.startswith(("./", "../", "/", "~")) else text

    def words(argv: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Words of a command that are paths by their beginning, also behind a flag: `./x`, `--model=./x`."""
        return None if argv is None else tuple(_WORD.sub(lambda hit: hit[1] + (whole(hit[2]) or ""), x) for x in argv)

    def secret(value: Secret) -> Secret:
        return _with(value, file=whole(value.file))

    def engine(value: EngineChoice) -> EngineChoice:
        return _with(value, bin=whole(value.bin))

    def source(value: Source) -> Source:
        return _with(
            value,
            path=whole(value.path),
            chat_template=whole(value.chat_template),
            mmproj=if_path(value.mmproj),
            draft=if_path(value.draft),
            engine=engine(value.engine) if value.engine else None,
            key=secret(value.key) if value.key else None,
            cmd=words(value.cmd),
            stop=words(tuple(shlex.split(value.stop)) if isinstance(value.stop, str) else value.stop),
        )

    models = {
        name: _with(
            model,
            sources={backend: source(one) for backend, one in model.sources.items()}
            if isinstance(model.sources, dict)
            else tuple(source(one) for one in model.sources),
        )
        for name, model in stack.models.items()
    }
    keys = {name: secret(value) for name, value in stack.endpoint.keys.items()}
    backends = {name: _with(one, engine=engine(one.engine)) for name, one in stack.backends.items()}
    return _with(stack, endpoint=_with(stack.endpoint, keys=keys), backends=backends, models=models)


def _with(shape: T, **changes: object) -> T:
    """A copy with what differs changed, so that `model_fields_set` still says what the file wrote."""
    changes = {name: value for name, value in changes.items() if getattr(shape, name) != value}
    return shape.model_copy(update=changes) if changes else shape
