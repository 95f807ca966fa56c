"""What backends of servers that somebody else runs have in common: what of a model they cannot take, where they are."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Literal

from orchestrator.core.backend import Reserves
from orchestrator.core.launch import Attach
from orchestrator.core.spec import Model, Source

OPENAI_ROOT = "/v1"


class External:
    """What every backend of such servers says of itself."""

    implemented = True
    reserves: Reserves = "external"
    needs_engine = False
    uses_gpus = False
    offloads = False
    image = ""
    cpu_image = ""
    cuda_image = ""
    takes_parsers = False
    kv_dtypes = frozenset[str]()
    owned_flags = MappingProxyType[str, str]({})


def key_of(source: Source) -> tuple[Literal["env", "file"], str] | None:
    """Where the key for the server is found."""
    if source.key is None:
        return None
    return ("env", source.key.env) if source.key.env else ("file", source.key.file or "")


def attach(source: Source, default: str) -> Attach:
    """default: the server's own address, without a path. A `url` may end in /v1 or leave that out."""
    root = (source.url or default).rstrip("/").removesuffix(OPENAI_ROOT)
    return Attach(root + OPENAI_ROOT, key_of(source))


def own_root(how: Attach) -> str:
    """The address of the server's own API, beside the OpenAI one."""
    return how.url.removesuffix(OPENAI_ROOT)


def not_ours(model: Model) -> str | None:
    """Why a server that we do not start cannot take what the model asks for; None if it asks for nothing of it.

    What stays ours there: context, capabilities, family, requests at once, what is set in requests, probing."""
    asked = list(_asked(model))
    return f"is not started by us: it takes no {', '.join(asked)}" if asked else None


def _asked(model: Model) -> Iterator[str]:
    serve, memory = model.serve, model.memory
    for key in ("extra_args", "unchecked_args", "env", "port"):
        if getattr(serve, key):
            yield f"serve.{key}"
    for key in ("kv", "kv_dtype", "weights", "host", "gpu"):
        if getattr(memory, key):
            yield f"memory.{key}"
    if model.parsers.tool != "auto":
        yield "parsers.tool"
    if model.parsers.reasoning != "auto":
        yield "parsers.reasoning"
    for key in ("gpus", "tensor_parallel"):
        if getattr(model, key):
            yield key
    if model.residency == "sleep":
        yield "residency: sleep"
