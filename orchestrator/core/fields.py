"""The scalars of stack.yaml: names, texts, sizes, addresses. A refusal reads well after `models.x.key: `.

Types here say what one value may be; what two values may not be together is in core/stackfile/checks.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Strict
from pydantic_core import PydanticCustomError

from orchestrator.core import units

BACKENDS = (
    "vllm",
    "vllm-mlx",
    "mlx-lm",
    "llama-cpp",
    "ollama",
    "openai",
    "command",
    "lm-studio",
    "rapid-mlx",
    "transformers",
    "apple-foundation",
)
_Backend = Literal[
    "vllm",
    "vllm-mlx",
    "mlx-lm",
    "llama-cpp",
    "ollama",
    "openai",
    "command",
    "lm-studio",
    "rapid-mlx",
    "transformers",
    "apple-foundation",
]

MODEL_ID = r"[A-Za-z0-9][A-Za-z0-9._:@+/-]{0,127}"
STACK_NAME = r"[a-z0-9-]{1,32}"
ROLE = r"[a-z][a-z0-9-]{0,31}"
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"


def _one(value: Any) -> Any:
    if type(value) is not int or value != 1:
        raise ValueError("must be 1")
    return value


def _matching(pattern: str, words: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(words)
        return text

    return AfterValidator(check)


def _model_id(text: str) -> str:
    if not re.fullmatch(MODEL_ID, text) or ".." in text.split("/"):
        raise ValueError("is not a model name: letters, digits and . _ : @ + / - (at most 128, no `..` segment)")
    return text


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return _argument(text)


def _argument(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a NUL character")
    return text


def _backend(value: Any) -> Any:
    if isinstance(value, str) and value not in BACKENDS:
        raise PydanticCustomError("unknown_backend", "unknown backend")
    return value


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+[^\s]*", text):
        raise ValueError("must be a URL: http://HOST:PORT/v1 or https://...")
    return text.rstrip("/")


def _repo(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", text, re.ASCII):
        raise ValueError("must be a Hugging Face repository as `org/name` (weights on disk go under `path`)")
    return text


def _gpu_index(value: Any) -> Any:
    if isinstance(value, bool) or not re.fullmatch(r"0|[1-9]\d{0,2}", str(value)):
        raise ValueError("must be a GPU index: 0, 1, ...")
    return int(value)


def _gpu(value: Any) -> Any:
    if isinstance(value, str) and re.fullmatch(r"(GPU|MIG)-[\w/-]+", value):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1000:
        return value
    raise ValueError("must be a GPU index (0, 1, ...) or a UUID as `nvidia-smi -L` prints it")


def listen_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:8484`, `[::1]:8484` -> (host, port). ValueError says what is accepted."""
    hit = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:\s/@]+)):([0-9]{1,5})", text)
    if not hit or not 0 < int(hit[3]) < 65536:
        raise ValueError("must be HOST:PORT (an IPv6 address goes in brackets)")
    return hit[1] or hit[2], int(hit[3])


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127(\.\d{1,3}){3}", host))


def _listen(value: Any) -> Any:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list | tuple):
        return value
    raise ValueError("must be HOST:PORT, or a list of them")


def _address(text: str) -> str:
    listen_address(text)
    return text


def drop_extensions(value: Any) -> Any:
    """A mapping without its `x-*` keys; anything else as it is."""
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if not (isinstance(k, str) and k.startswith("x-"))}
    return value


def mapping_or_list(what: str) -> Discriminator:
    """Tells `{...}` from `[...]` before their members are looked at, so that an error names one of them only."""

    def kind(value: Any) -> str | None:
        return "mapping" if isinstance(value, Mapping) else "list" if isinstance(value, list | tuple) else None

    return Discriminator(kind, custom_error_type="wrong_kind", custom_error_message=f"must be {what}")


def text_or_list(what: str) -> Discriminator:
    def kind(value: Any) -> str | None:
        return "text" if isinstance(value, str) else "list" if isinstance(value, list | tuple) else None

    return Discriminator(kind, custom_error_type="wrong_kind", custom_error_message=f"must be {what}")


TAGS = ("mapping", "list", "text")
"""Steps that the unions above add to an error's place; they are no keys of the file."""

Version = Annotated[Literal[1], BeforeValidator(_one)]
BackendName = Annotated[_Backend, BeforeValidator(_backend)]
ModelId = Annotated[str, AfterValidator(_model_id)]
StackName = Annotated[str, _matching(STACK_NAME, "must be 1 to 32 of a-z, 0-9 and -")]
Role = Annotated[str, _matching(ROLE, "must be a lower-case word: a-z, then a-z, 0-9 and - (at most 32)")]
# unquoted numbers and booleans are text where text belongs: an editor must not mark them
_UNQUOTED = Field(json_schema_extra={"type": ["string", "number", "boolean"]})
Text = Annotated[str, AfterValidator(_text), _UNQUOTED]
Argument = Annotated[str, AfterValidator(_argument), _UNQUOTED]
Argv = tuple[Argument, ...]
Variable = Annotated[str, _matching(VARIABLE, "must be the name of an environment variable, never the secret itself")]
EnvName = Annotated[str, _matching(r"[^=\0\s]+", "is not a name for an environment variable")]
Env = dict[EnvName, Argument]
KeyName = Annotated[
    str, _matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "is not a name for a key: letters, digits and . _ -")
]
HostName = Annotated[
    str,
    _matching(
        r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\]",
        "must be a host name alone: no scheme, no port, no `*`",
    ),
]
Url = Annotated[str, AfterValidator(_url)]
Repo = Annotated[str, AfterValidator(_repo)]
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
GpuIndex = Annotated[int, BeforeValidator(_gpu_index)]
Gpu = Annotated[int | str, BeforeValidator(_gpu)]
Size = Annotated[
    int,
    BeforeValidator(units.size, json_schema_input_type=int | str),
    Field(json_schema_extra={"format": "size"}),
]
Duration = Annotated[
    int,
    BeforeValidator(units.duration, json_schema_input_type=int | str),
    Field(json_schema_extra={"format": "duration"}),
]
Listen = Annotated[
    tuple[Annotated[str, AfterValidator(_address)], ...],
    Field(min_length=1),
    BeforeValidator(_listen, json_schema_input_type=str | list[str]),
]
Json = Any
