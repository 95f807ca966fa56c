"""Ollama before a stack goes up: does it run, is it new enough, is the tag there (else it is pulled), how long is its
context, does it do what the model is for. What it answers is read in core/ollama_api.py."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from orchestrator.core import ollama_api as api
from orchestrator.core.attached import own_root
from orchestrator.core.launch import Attach, Launch
from orchestrator.edge.attached.http import WORK, Server
from orchestrator.edge.hub.meter import meter
from orchestrator.errors import EngineError, PlanError, Problem

START = "start it (`ollama serve`, or open the app), or correct the source's `url`"
GOES_ON = "`stack pull` goes on where it stopped"
LARGE = 2**20
"""Bytes from which on a layer has a progress bar of its own: weights, and parts of them."""
Say = Callable[[str], None]

WANTS = {"chat": "completion", "tools": "tools", "vision": "vision", "embed": "embedding"}
"""Our capabilities -> Ollama's own words in /api/show."""


def server(how: Attach, key: str | None) -> Server:
    return Server("ollama", own_root(how), START, key)


def checked_version(ollama: Server) -> tuple[int, ...] | None:
    """None: a build from source. Raises EngineError: it does not run; PlanError: it is too old."""
    status, reply = ollama.ask("GET", "/api/version")
    if status != 200 or not isinstance(reply.get("version"), str):
        raise ollama.strange("/api/version", status)
    found = api.version(reply["version"])
    if found is not None and found < api.NEEDED:
        text = f"{ollama.words} is version {reply['version']}: {api.words(api.NEEDED)} or newer is needed"
        raise PlanError(text, mend="update Ollama")
    return found


def show(ollama: Server, tag: str) -> api.Shown | None:
    """None: it has no such model."""
    status, reply = ollama.ask("POST", "/api/show", {"model": tag})
    if status == 404:
        return None
    if status != 200:
        raise EngineError(f"{ollama.words} cannot read {tag}: {reply.get('error', status)}")
    return api.shown(reply)


def tags(ollama: Server) -> list[str]:
    """The models that it has."""
    _, reply = ollama.ask("GET", "/api/tags")
    return [str(row["name"]) for row in reply.get("models") or ()]


def loaded(ollama: Server) -> tuple[api.Loaded, ...]:
    status, reply = ollama.ask("GET", "/api/ps")
    try:
        return api.loaded(reply)
    except (KeyError, TypeError, ValueError):
        raise ollama.strange("/api/ps", status) from None


def pull(ollama: Server, model: str, tag: str, say: Say, *, quiet: bool) -> int:
    """Makes Ollama pull a tag, with progress. Returns the bytes of its layers.

    Raises PlanError: there is no such tag, no network, no room: in Ollama's own words.
    """
    say(f"{model}: {tag} is not in {ollama.words}: pulling it")
    state, ended = api.Pull(), False
    try:
        with ollama.client(WORK) as client, client.stream("POST", "/api/pull", json={"model": tag}) as reply:
            lines = _lines(reply, ollama)
            line = next(lines, None)
            while line is not None:
                ended = _end(line, ollama, tag)
                state.take(line)
                large = "digest" in line and int(line.get("total") or 0) >= LARGE
                line = _layer(line, lines, state, tag, quiet=quiet) if large else next(lines, None)
    except httpx.HTTPError as error:
        raise EngineError(
            f"{ollama.words} broke off while it pulled {tag}: {error or type(error).__name__}", mend=GOES_ON
        ) from None
    if not ended:
        raise EngineError(f"{ollama.words} ended the pull of {tag} early", mend=GOES_ON)
    return state.total


def _layer(
    first: dict[str, Any], lines: Iterator[dict[str, Any]], state: api.Pull, tag: str, *, quiet: bool
) -> dict[str, Any] | None:
    """Shows one layer's progress. Returns the first line that is about something else."""
    before = 0
    with meter(tag, int(first["total"]), quiet=quiet) as advance:
        line: dict[str, Any] | None = first
        while line is not None and line.get("digest") == first["digest"]:
            state.take(line)
            done = int(line.get("completed") or 0)
            advance(max(0, done - before))
            before = max(before, done)
            line = next(lines, None)
    return line


def _lines(reply: httpx.Response, ollama: Server) -> Iterator[dict[str, Any]]:
    for text in reply.iter_lines():
        if text.strip():
            yield ollama.read("/api/pull", reply.status_code, text.encode())


def _end(line: dict[str, Any], ollama: Server, tag: str) -> bool:
    """Whether this is the last line of a pull that went well. Raises PlanError for one that failed."""
    if "error" in line:
        near = difflib.get_close_matches(tag, tags(ollama), n=3)
        mend = f"it has {', '.join(near)}" if near else f"look it up with `ollama pull {tag}`"
        raise PlanError(f"{ollama.words} cannot pull {tag}: {line['error']}", mend=mend)
    return line.get("status") == "success"


def load(ollama: Server, launch: Launch, touch: api.Touch) -> None:
    """Loads the model, or tells a loaded one how long to stay. Raises EngineError in Ollama's words."""
    path, body = request(launch, touch)
    status, reply = ollama.ask("POST", path, body, timeout=WORK)
    raise_failed(ollama, launch, status, reply)


def request(launch: Launch, touch: api.Touch) -> tuple[str, dict[str, Any]]:
    """An empty prompt loads and does nothing else; a model that only embeds has an endpoint of its own for that."""
    keep = {} if touch.seconds is None else {"keep_alive": touch.seconds}
    if "chat" in launch.capabilities:
        return "/api/generate", {"model": launch.served_name, "stream": False, **keep}
    return "/api/embed", {"model": launch.served_name, "input": [], **keep}


def raise_failed(ollama: Server, launch: Launch, status: int, reply: dict[str, Any]) -> None:
    if status != 200:
        text = reply.get("error", status)
        raise EngineError(f"{ollama.words} cannot load {launch.served_name} for {launch.model}: {text}")


def problems(launch: Launch, found: api.Shown, context: int | None) -> Iterator[Problem]:
    """What the file asks for and this model in this Ollama does not have. context: None = not known yet."""
    at = f"models.{launch.model}"
    for capability in launch.capabilities:
        if found.capabilities and WANTS.get(capability) not in found.capabilities:
            text = f"{launch.served_name} has no {capability} in Ollama: it has {', '.join(found.capabilities)}"
            yield Problem(f"{at}.capabilities", text, "choose another tag, or declare what it can do")
    wanted = launch.serving.context
    if wanted and context is not None and context < wanted:
        text = f"Ollama gives {launch.served_name} a context of {context}, {wanted} is asked for"
        yield Problem(f"{at}.context", text, f"start Ollama with OLLAMA_CONTEXT_LENGTH={wanted}, or declare {context}")
    elif wanted and found.longest is not None and found.longest < wanted:
        text = f"{launch.served_name} was made for a context of {found.longest}, {wanted} is asked for"
        yield Problem(f"{at}.context", text, f"declare {found.longest} or less")
