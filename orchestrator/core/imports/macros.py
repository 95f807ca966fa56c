"""llama-swap's macros, expanded by its own rules (read from its source, commit 0bdb3720199f).

`${env.X}` comes first. Then each macro of the list in turn, the last declared first, once: so a macro may hold those
that were declared before it. A value that is nothing but a macro keeps the macro's type. MODEL_ID is the first of the
list, a model's own macros replace the global ones in their place. `${PORT}` stays: in stack.yaml it is written alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.stackfile.secretive import SECRET_NAME, SECRET_TEXT
from orchestrator.core.trouble import Steps, Trouble

NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
USE = re.compile(r"\$\{([A-Za-z0-9_-]+)\}")
ENV = re.compile(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}")
RESERVED = ("PORT", "MODEL_ID", "PID")
COMMANDS = ("cmd", "cmdStop")


@dataclass
class Macros:
    """env: the environment of whoever imports. used: variables that were written out; troubles: what stops it all."""

    env: Mapping[str, str]
    troubles: list[Trouble] = field(default_factory=list)
    used: dict[str, Steps] = field(default_factory=dict)
    _global: dict[str, Any] = field(default_factory=dict)

    def top(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The config without its macros; its models are left as they are."""
        self._global = self._declared(data.get("macros"), ("macros",))
        found = {}
        for key, value in data.items():
            if key == "macros":
                continue
            if key != "models":
                value = _each(_each(value, (key,), self._environment), (key,), self._listed(self._global))
            found[key] = value
        return found

    def model(self, name: str, data: Mapping[str, Any]) -> dict[str, Any]:
        """A model with everything expanded but `${PORT}`, `${PID}` in cmdStop, and `${env.X}` of what looks secret."""
        at: Steps = ("models", name)
        own = self._declared(data.get("macros"), (*at, "macros"))
        merged = {"MODEL_ID": name} | self._global
        merged |= own
        plain = {k: _without_comments(v) if k in COMMANDS else v for k, v in data.items() if k != "macros"}
        plain = _each(plain, at, self._environment)
        resolved: dict[str, Any] = _each(plain, at, self._listed(merged))
        self._refuse_unknown(resolved, at)
        return resolved

    def _declared(self, found: Any, at: Steps) -> dict[str, Any]:
        macros: dict[str, Any] = {}
        if found is None:
            return macros
        if not isinstance(found, dict):
            self.troubles.append(Trouble(at, "must be a mapping of names to values"))
            return macros
        for name, value in found.items():
            wrong = _wrong(name, value)
            if wrong:
                self.troubles.append(Trouble((*at, name), wrong))
            else:
                macros[name] = _each(value, (*at, name), self._environment)
        return macros

    def _environment(self, text: str, at: Steps) -> str:
        if at[0] == "apiKeys" or at[-1] == "apiKey":
            return text

        def one(hit: re.Match[str]) -> str:
            name = hit[1]
            value = self.env.get(name)
            if SECRET_NAME.search(name) or (value and SECRET_TEXT.search(value)):
                return hit[0]
            if value is None:
                why = f"the environment variable {name} is not set here"
                self.troubles.append(Trouble(at, why, f"export {name} as llama-swap has it, then import again"))
                return hit[0]
            self.used.setdefault(name, at)
            return value

        return ENV.sub(one, text)

    @staticmethod
    def _listed(macros: Mapping[str, Any]) -> Callable[[str, Steps], Any]:
        def expand(text: str, at: Steps) -> Any:
            value: Any = text
            for name in reversed(list(macros)):
                if value == f"${{{name}}}":
                    value = macros[name]
                if isinstance(value, str):
                    value = value.replace(f"${{{name}}}", _shown(macros[name]))
            return value

        return expand

    def _refuse_unknown(self, value: Any, at: Steps) -> None:
        for steps, text in _texts(value, at):
            for hit in USE.finditer(text):
                name = hit[1]
                if name == "PORT" or (name == "PID" and steps[2] == "cmdStop"):
                    continue
                mend = "a macro may only use those above it"
                if name not in self._global:
                    mend = "define it under `macros`"
                self.troubles.append(Trouble(steps, f"the macro ${{{name}}} is unknown here", mend))


def _wrong(name: str, value: Any) -> str:
    if not NAME.fullmatch(name):
        return "is not a macro's name: at most 63 letters, digits, _ and -"
    if name in RESERVED:
        return f"{name} is llama-swap's own: a macro must have another name"
    if not isinstance(value, str | int | float | bool):
        return "a macro must be text, a number or a boolean"
    if isinstance(value, str) and f"${{{name}}}" in value:
        return "the macro holds itself: it has no end"
    return ""


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _without_comments(value: Any) -> Any:
    """Lines that begin with # are none of the command, and what they hold is no macro."""
    if not isinstance(value, str):
        return value
    return "\n".join(line for line in value.split("\n") if not line.strip().startswith("#"))


def _each(value: Any, at: Steps, change: Callable[[str, Steps], Any]) -> Any:
    """Every text in it changed; the keys of setParamsByID are names too."""
    if isinstance(value, str):
        return change(value, at)
    if isinstance(value, list):
        return [_each(one, (*at, i), change) for i, one in enumerate(value)]
    if isinstance(value, dict):
        names = at[-1] == "setParamsByID"
        return {str(change(k, at)) if names else k: _each(v, (*at, k), change) for k, v in value.items()}
    return value


def _texts(value: Any, at: Steps) -> Iterator[tuple[Steps, str]]:
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, list):
        for i, one in enumerate(value):
            yield from _texts(one, (*at, i))
    elif isinstance(value, dict):
        for key, one in value.items():
            yield (*at, key), key
            yield from _texts(one, (*at, key))
