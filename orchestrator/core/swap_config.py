"""The shape of a llama-swap config as we emit it. Strict where llama-swap is not: it ignores unknown keys in silence.

Read from llama-swap's source (v250); only what a plan can need is here. Times in seconds.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Seconds = Annotated[int, Field(ge=0, strict=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Camel(_Strict):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


def _no_macro(text: str) -> str:
    if re.search(r"\$\{(?!env\.[A-Za-z_][A-Za-z0-9_]*\})", text):
        raise ValueError("`${` would be a macro of llama-swap")
    return text


Plain = Annotated[str, AfterValidator(_no_macro)]


class Filters(_Camel):
    """Of JSON bodies, in this order. strip_params: names, by commas; set_params: whatever the client says;
    set_params_by_id: by the name that the client asks for."""

    strip_params: Annotated[Plain, Field(min_length=1)] | None = None
    set_params: dict[str, Any] | None = None
    set_params_by_id: dict[str, dict[str, Any]] | None = Field(None, alias="setParamsByID")


class Entry(_Camel):
    """A model. cmd_stop: None = SIGTERM; env: `K=V`; ttl 0 = never unloaded by llama-swap itself."""

    cmd: Annotated[Plain, Field(min_length=1, pattern=r"\S")]
    cmd_stop: Annotated[Plain, Field(min_length=1, pattern=r"\S")] | None = None
    proxy: Annotated[str, Field(pattern=r"^http://127\.0\.0\.1:\d{1,5}$")]
    check_endpoint: Annotated[str, Field(pattern=r"^/|^none$")]
    ttl: Seconds
    concurrency_limit: Annotated[int, Field(ge=1)]
    env: list[Annotated[Plain, Field(pattern=r"^[^=\s]+=")]]
    use_model_name: str | None = None
    aliases: list[str] = []
    filters: Filters | None = None
    unload_timeout: Seconds | None = None


class Matrix(_Strict):
    vars: dict[Annotated[str, Field(pattern=r"^[a-zA-Z0-9.-]{1,32}$")], str]
    sets: Annotated[dict[str, str], Field(min_length=1)]


class RouterSettings(_Strict):
    matrix: Matrix


class Router(_Strict):
    use: Literal["matrix"]
    settings: RouterSettings


class Routing(_Strict):
    router: Router


class OnStartup(_Strict):
    preload: list[str]


class Hooks(_Strict):
    on_startup: OnStartup


class Config(_Camel):
    health_check_timeout: Annotated[int, Field(ge=15)]
    log_level: Literal["debug", "info", "warn", "error"]
    log_to_stdout: Literal["proxy", "upstream", "both", "none"]
    capture_buffer: Annotated[int, Field(ge=0)]
    send_loading_state: Literal[False]
    models: Annotated[dict[str, Entry], Field(min_length=1)]
    routing: Routing
    hooks: Hooks | None = None

    @model_validator(mode="after")
    def _names(self) -> Self:
        aliases = [alias for entry in self.models.values() for alias in entry.aliases]
        if len({*aliases, *self.models}) != len(aliases) + len(self.models):
            raise ValueError("a name is used twice among models and aliases")
        for name, entry in self.models.items():
            by_name = entry.filters.set_params_by_id if entry.filters else None
            if set(by_name or ()) - {name, *entry.aliases}:
                raise ValueError(f"setParamsByID of {name} has a name that is not its own")
        matrix = self.routing.router.settings.matrix
        preload = self.hooks.on_startup.preload if self.hooks else []
        if strange := {*matrix.vars.values(), *preload} - set(self.models):
            raise ValueError(f"no model is called {', '.join(sorted(strange))}")
        used = {name for expression in matrix.sets.values() for name in expression.split(" & ")}
        if used != set(matrix.vars) or set(matrix.vars.values()) != set(self.models):
            raise ValueError("the matrix must name every model, and no other")
        return self
