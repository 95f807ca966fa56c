"""What no single value of stack.yaml can tell: names claimed twice, an open endpoint without a key, sources that lack
what their backend needs. Pure; places are steps of keys and indexes, lines are added by edge/stackfile/load.py."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from orchestrator.core.fields import is_loopback, listen_address
from orchestrator.core.spec import Model, Secret, Source, Stack
from orchestrator.core.stackfile.names import name_problems
from orchestrator.core.stackfile.parameters import parameter_problems
from orchestrator.core.stackfile.secretive import LITERAL, SECRET_FLAG, SECRET_NAME, SECRET_TEXT
from orchestrator.core.stackfile.source_rules import misfits, missing
from orchestrator.core.trouble import Steps, Trouble


def check(stack: Stack) -> tuple[Trouble, ...]:
    """Everything that is wrong with a stack whose values are each well formed, in no particular order."""
    return tuple(_all(stack))


def _all(stack: Stack) -> Iterator[Trouble]:
    yield from name_problems(stack)
    yield from _open_endpoint(stack)
    yield from _ports(stack)
    yield from _managed_secrets(stack)
    yield from _repeated(("selection",), stack.selection)
    for name, model in stack.models.items():
        yield from _model(("models", name), model)


def _open_endpoint(stack: Stack) -> Iterator[Trouble]:
    if stack.endpoint.keys:
        return
    for i, text in enumerate(stack.endpoint.listen):
        if not is_loopback(listen_address(text)[0]):
            yield Trouble(
                ("endpoint", "listen", i),
                "is reachable from other machines and needs a key",
                "add endpoint.keys, e.g. `keys: {laptop: {file: ~/.config/stack/laptop.key}}`",
                because=(("endpoint", "keys"),),
            )


def _ports(stack: Stack) -> Iterator[Trouble]:
    taken: dict[int, str] = {}
    for i, text in enumerate(stack.endpoint.listen):
        if text in stack.endpoint.listen[:i]:
            yield Trouble(("endpoint", "listen", i), "is listed twice")
        taken.setdefault(listen_address(text)[1], "endpoint.listen")
    for name, model in stack.models.items():
        if (port := model.serve.port) is not None:
            if port in taken:
                yield Trouble(("models", name, "serve", "port"), f"port {port} is taken by {taken[port]}")
            taken.setdefault(port, f"models.{name}.serve.port")


def secrets(stack: Stack) -> Iterator[tuple[Steps, Secret]]:
    """Every place that names a secret."""
    for name, secret in stack.endpoint.keys.items():
        yield ("endpoint", "keys", name), secret
    for name, model in stack.models.items():
        for i, (key, _, source) in enumerate(model.ordered_sources()):
            if source.key is not None:
                step = key if isinstance(model.sources, dict) else i
                yield ("models", name, "sources", step, "key"), source.key


def _managed_secrets(stack: Stack) -> Iterator[Trouble]:
    if stack.service == "none":
        return
    for steps, secret in secrets(stack):
        if secret.env is not None:
            text = f"with `service: {stack.service}` secrets must be files"
            yield Trouble((*steps, "env"), text, "a service manager has no shell's environment: write {file: PATH}")


def _model(at: Steps, model: Model) -> Iterator[Trouble]:
    listed = not isinstance(model.sources, dict)
    for i, (key, backend, source) in enumerate(model.ordered_sources()):
        place = (*at, "sources", i if listed else key)
        if listed and not backend:
            yield Trouble(place, "a source in a list needs `backend`", because=((*place, "backend"),))
            continue
        if not listed and source.backend is not None:
            yield Trouble((*place, "backend"), "is for lists of sources; here the key names the backend")
        yield from _source(place, backend, source)
    if model.residency == "resident":
        for field in ("ttl", "preload"):
            if getattr(model, field):
                text = f"`{field}` is for on-demand models: a resident one is always loaded"
                yield Trouble((*at, field), text, "take it away, or write `residency: on-demand`")
    yield from _repeated((*at, "capabilities"), model.capabilities or ())
    yield from _repeated((*at, "strip"), model.strip)
    yield from parameter_problems(at, model)
    for field in ("extra_args", "unchecked_args"):
        yield from _secret_flags((*at, "serve", field), getattr(model.serve, field))
    yield from _secret_env((*at, "serve", "env"), model.serve.env)


def _source(place: Steps, backend: str, source: Source) -> Iterator[Trouble]:
    if lacks := missing(backend, source):
        text, keys = lacks
        yield Trouble(place, text, because=tuple((*place, key) for key in keys))
    for key, text, mend in misfits(backend, source):
        yield Trouble((*place, key), text, mend)
    yield from _command(place, source)
    if source.url and SECRET_TEXT.search(source.url):
        yield Trouble((*place, "url"), LITERAL, "write `key: {env: NAME}` or `key: {file: PATH}` beside the url")
    yield from _secret_flags((*place, "cmd"), source.cmd or ())
    yield from _secret_env((*place, "env"), source.env)


def _command(place: Steps, source: Source) -> Iterator[Trouble]:
    texts: list[tuple[Steps, str]] = [(("cmd", i), text) for i, text in enumerate(source.cmd or ())]
    texts += [(("env", name), text) for name, text in source.env.items()]
    if isinstance(source.stop, str):
        texts.append((("stop",), source.stop))
        try:
            shlex.split(source.stop)
        except ValueError as error:
            yield Trouble((*place, "stop"), f"is not a command: {error}", "write its argv as a list")
    else:
        texts += [(("stop", i), text) for i, text in enumerate(source.stop or ())]
    for steps, text in texts:
        if set(re.findall(r"\$\{[^}]*\}?", text)) - {"${PORT}"}:
            yield Trouble((*place, *steps), "knows only ${PORT} of all that begins with ${")
    if source.check is not None and not source.check.startswith("/"):
        yield Trouble((*place, "check"), "must be a path that begins with /", "e.g. /health")


def _secret_flags(place: Steps, argv: tuple[str, ...]) -> Iterator[Trouble]:
    for i, argument in enumerate(argv):
        if SECRET_FLAG.match(argument) or SECRET_TEXT.search(argument):
            mend = "every process of this machine can read a command line: use the engine's flag for a file"
            yield Trouble((*place, i), LITERAL, mend)


def _secret_env(place: Steps, env: dict[str, str]) -> Iterator[Trouble]:
    for name, value in env.items():
        if value and (SECRET_NAME.search(name) or SECRET_TEXT.search(value)):
            yield Trouble((*place, name), LITERAL, "take it away: an engine's environment is written into files")


def _repeated(place: Steps, names: tuple[str, ...]) -> Iterator[Trouble]:
    for i, name in enumerate(names):
        if name in names[:i]:
            yield Trouble((*place, i), f"`{name}` is listed twice")
