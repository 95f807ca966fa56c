"""A command line of llama-swap as argv, and which engine it starts."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from orchestrator.core.imports.draft import Draft
from orchestrator.core.stackfile.secretive import SECRET_FLAG, SECRET_TEXT

Handler = Callable[[Draft, str], None]
"""Takes the value of a flag, "" for a flag that stands alone."""


def split(text: str) -> list[str]:
    """As llama-swap does: no shell, lines that begin with # are dropped, a `\\` at a line's end joins. ValueError."""
    lines = []
    for line in text.split("\n"):
        bare = line.strip()
        if not bare.startswith("#"):
            lines.append(bare.removesuffix("\\") + " " if bare.endswith("\\") else line)
    return shlex.split("\n".join(lines))


@dataclass(frozen=True)
class Started:
    """engine: a backend's name, "" = any server. program: argv[0] as written; env: of a leading `env A=b`."""

    engine: str
    program: str
    arguments: list[str]
    env: Mapping[str, str]


MODULES = {
    "mlx_lm.server": "mlx-lm",
    "mlx_lm": "mlx-lm",
    "vllm.entrypoints.openai.api_server": "vllm",
    "vllm_mlx.server": "vllm-mlx",
    "vllm_mlx.cli": "vllm-mlx",
}
"""`python -m MODULE`."""


def started(argv: list[str]) -> Started:
    env = {}
    rest = list(argv)
    if rest and rest[0].rsplit("/", 1)[-1] == "env":
        rest = rest[1:]
        while rest and re.match(r"[A-Za-z_]\w*=", rest[0]):
            name, _, env[name] = rest.pop(0).partition("=")
    if not rest or rest[0].startswith("-"):
        return Started("", argv[0] if argv else "", argv[1:], {})
    program, arguments = rest[0], rest[1:]
    name = program.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".exe")
    engine = ""
    if re.fullmatch(r"llama-server([-_.].*)?", name):
        engine = "llama-cpp"
    elif name == "vllm" and arguments[:1] == ["serve"]:
        engine, arguments = "vllm", arguments[1:]
    elif name == "vllm-mlx" and arguments[:1] == ["serve"]:
        engine, arguments = "vllm-mlx", arguments[1:]
    elif name == "mlx_lm.server" or (name == "mlx_lm" and arguments[:1] == ["server"]):
        engine, arguments = "mlx-lm", arguments[1:] if name == "mlx_lm" else arguments
    elif re.fullmatch(r"python[\d.]*", name) and arguments[:1] == ["-m"] and arguments[1:2]:
        engine = MODULES.get(arguments[1], "")
        dropped = 3 if arguments[2:3] in (["serve"], ["server"]) else 2
        arguments, program = arguments[dropped:], ""
    if not engine:
        return Started("", argv[0], argv[1:], {})
    return Started(engine, program if "/" in program else "", arguments, env)


def grouped(arguments: list[str]) -> Iterator[tuple[str, list[str]]]:
    """(flag, its values) in order; ("", [word]) for words before the first flag. `--a=b` is flag and value.

    Without knowing every flag, what follows one up to the next is its values. `-1` is a value.
    """
    flag, values = "", list[str]()
    for word in arguments:
        if word.startswith("-") and word != "-" and not re.fullmatch(r"-[\d.]+", word):
            if flag or values:
                yield flag, values
            flag, sign, value = word.partition("=")
            values = [value] if sign else []
        else:
            values.append(word)
    if flag or values:
        yield flag, values


def carry(draft: Draft, arguments: list[str], table: Mapping[str, Handler], owned: Mapping[str, str]) -> None:
    """Each flag to its key by `table`, else into `extra_args`. owned: flags that only keys of stack.yaml may set."""
    for flag, values in grouped(arguments):
        if flag in table:
            table[flag](draft, " ".join(values))
        elif SECRET_FLAG.match(flag) or any(SECRET_TEXT.search(value) or "${env." in value for value in values):
            draft.note(f"{flag} holds a secret: it is left out (a client's key goes under endpoint.keys)", "cmd")
        elif flag in owned:
            draft.note(f"{' '.join([flag, *values])}: in stack.yaml `{owned[flag]}` decides this", "cmd")
        else:
            draft.extra(*([flag] if flag else []), *values)


def drop(draft: Draft, value: str) -> None:
    """What the plan sets itself."""


def text(key: str) -> Handler:
    return lambda draft, value: draft.put(key, value)


def whole(key: str) -> Handler:
    """A number above 0; -1, 0 and `auto` mean what leaving the key away means."""

    def put(draft: Draft, value: str) -> None:
        if value.isdecimal() and int(value) > 0:
            draft.put(key, int(value))
        elif value not in ("-1", "0", "auto"):
            draft.note(f"`{value}` is no whole number: {key} is left out", "cmd")

    return put


def source(key: str) -> Handler:
    """A path of the source."""

    def put(draft: Draft, value: str) -> None:
        draft.source[key] = as_path(value)

    return put


def as_path(text: str) -> str:
    """Written so that nobody takes it for a file in a repository: relative ones begin with ./."""
    return text if text.startswith(("/", "~", "./", "../")) else f"./{text}"


def weights(draft: Draft, value: str) -> None:
    """Where an engine that reads folders finds the model: `org/name` is a repository."""
    if re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", value, re.ASCII):
        draft.source["repo"] = value
    else:
        draft.source["path"] = as_path(value)
