"""The interface of a client: one program per file in core/clients/, found by edge/clients/found.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

Path = tuple[str, ...]
UNUSED = "unused"
"""Where a client insists on a key and the endpoint has none. It is no secret, and nothing reads it."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A model as a client may use it. name: what it asks for; context, max_tokens: tokens; tools: proven."""

    name: str
    context: int
    max_tokens: int | None
    tools: bool
    vision: bool = False

    @property
    def output(self) -> int:
        """Tokens of an answer, for clients that must name a limit: it must leave room for the prompt."""
        return self.max_tokens or max(1, min(32_000, self.context // 4))


@dataclass(frozen=True, slots=True)
class Connection:
    """tag: `stack-<name>`; url: ends in /v1; key: where the client's key is found, None: the endpoint has none.

    models: the first is the one to use.
    """

    tag: str
    url: str
    key: tuple[Literal["env", "file"], str] | None
    models: tuple[Offer, ...]

    @property
    def first(self) -> Offer:
        return self.models[0]

    @property
    def root(self) -> str:
        return self.url.removesuffix("/v1")


@dataclass(frozen=True, slots=True)
class Put:
    """A value at its place; mappings around it are made. once: only where nothing is yet."""

    path: Path
    value: Any
    once: bool = False


@dataclass(frozen=True, slots=True)
class Remove:
    """A key. value: only where it is that; None: whatever it is."""

    path: Path
    value: Any = None


@dataclass(frozen=True, slots=True)
class Only:
    """A mapping of ours: keys beside these go."""

    path: Path
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list whose items are mappings: those whose `name` begins with `prefix` are ours."""

    path: Path
    prefix: str
    values: tuple[dict[str, Any], ...]


Edit = Put | Remove | Only | Items
Format = Literal["toml", "json", "yaml", "env"]


@dataclass(frozen=True, slots=True)
class Place:
    """A file of the client: `$variable/name`, or `folder/name` where that is not set. folder may begin with ~."""

    variable: str
    folder: str
    name: str


@dataclass(frozen=True, slots=True)
class Settings:
    """edits: of one file, in `format`; notes: what the user still has to do."""

    format: Format
    edits: tuple[Edit, ...]
    notes: tuple[str, ...] = ()


class Client(Protocol):
    name: str
    title: str
    places: tuple[Place, ...]
    """The first that is there is changed; where none is, the first is made."""
    needs_tools: bool
    """Whether it cannot work without tool calls."""
    api: str
    """The path that it speaks to beside /v1/chat/completions, which not every engine has; "" = that one."""

    def settings(self, connection: Connection) -> Settings: ...
