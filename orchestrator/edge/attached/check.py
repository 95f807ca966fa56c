"""Attached servers before `up`: each is asked, what lacks is pulled, what cannot be had is an error with its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.core import ollama_api as api
from orchestrator.core.attached import attach
from orchestrator.core.backends.ollama import ADDRESS
from orchestrator.core.launch import Attach, Launch
from orchestrator.core.spec import Source
from orchestrator.edge import secrets
from orchestrator.edge.attached import lm_studio, ollama
from orchestrator.edge.attached.http import Server
from orchestrator.errors import EngineError, PlanError, Problem

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class PulledTag:
    """size: bytes of its layers, as far as Ollama told of them."""

    model: str
    tag: str
    server: str
    size: int


def check(launches: Sequence[Launch], say: Say, *, quiet: bool = False) -> tuple[str, ...]:
    """Returns warnings. Raises EngineError: a server does not answer; PlanError: it is too old, it cannot pull, or it
    lacks what the file asks for (with places). say: gets lines for people; quiet: no progress bar."""
    problems: list[Problem] = []
    warnings: list[str] = []
    versions: dict[Server, tuple[int, ...] | None] = {}
    for launch in launches:
        if not isinstance(launch.how, Attach):
            continue
        key = secrets.upstream_key(launch)
        if launch.backend == "ollama":
            server = ollama.server(launch.how, key)
            if server not in versions:
                versions[server] = ollama.checked_version(server)
                warnings.extend(_old(server, versions[server], launch))
            _ollama(server, launch, say, problems, warnings, quiet=quiet)
        elif launch.backend == "lm-studio":
            server = lm_studio.server(launch.how, key)
            rows = lm_studio.rows(server, *server.ask("GET", lm_studio.MODELS))
            problems.extend(lm_studio.problems(launch, rows))
    if problems:
        raise PlanError("an attached server cannot do what stack.yaml asks for", problems=problems)
    return tuple(warnings)


def pull_tags(
    wanted: Sequence[tuple[str, Source]], say: Say, *, quiet: bool = False, update: bool = False
) -> tuple[PulledTag, ...]:
    """Have these tags, (model, source) each. update: also look for a newer state of one that is there."""
    done = []
    for model, source in wanted:
        assert source.tag is not None
        how = attach(source, ADDRESS)
        key = secrets.read(*how.key, f"models.{model}: its key") if how.key else None
        server = ollama.server(how, key)
        ollama.checked_version(server)
        if not update and ollama.show(server, source.tag) is not None:
            say(f"{model}: {source.tag} is in {server.words}")
            continue
        size = ollama.pull(server, model, source.tag, say, quiet=quiet)
        done.append(PulledTag(model, source.tag, server.root, size))
    return tuple(done)


def _old(server: Server, version: tuple[int, ...] | None, launch: Launch) -> list[str]:
    if version is None or version >= api.INDEXES or "tools" not in launch.capabilities:
        return []
    return [
        f"{server.words} is version {api.words(version)}: before {api.words(api.INDEXES)} parallel tool calls of a "
        "streamed answer all have index 0"
    ]


def _ollama(
    server: Server, launch: Launch, say: Say, problems: list[Problem], warnings: list[str], *, quiet: bool
) -> None:
    tag = launch.served_name
    found = ollama.show(server, tag)
    if found is None:
        ollama.pull(server, launch.model, tag, say, quiet=quiet)
        found = ollama.show(server, tag)
    if found is None:
        raise EngineError(f"{server.words} has pulled {tag} and does not know it")
    if wrong := list(ollama.problems(launch, found, found.context)):
        problems.extend(wrong)
        return
    row = api.find(ollama.loaded(server), tag)
    if row is None and (touch := api.first_touch(launch.serving)) is not None:
        say(f"{launch.model}: loading {tag} in {server.words}")
        ollama.load(server, launch, touch)
        row = api.find(ollama.loaded(server), tag)
    context = row.context if row is not None and row.context else found.context
    problems.extend(ollama.problems(launch, found, context))
    if launch.serving.context and context is None:
        warnings.append(f"{launch.model}: its context in Ollama is not known before it is loaded (stack status tells)")
