"""What stack.yaml sets in requests, as llama-swap's `filters`, for a config that is used without our gateway.

`strip` and `setParamsByID` mean what `strip` and `variants` do; `setParams` overrides the client, so it says a default
of a stripped parameter only. They act on JSON bodies, not on forms, and their keys are paths (its internal/server/
filters.go, v250; all three since v194, before the oldest that we render for).
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.core.launch import Launch
from orchestrator.core.spec import Model
from orchestrator.core.swap_config import Filters
from orchestrator.core.trouble import path
from orchestrator.core.wire.edits import LIMITS

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
"""A key that is no path (`a.b`), no list (`a,b`) and no pattern (`a*`)."""
BREAK = re.compile(r"[\n\r\x85\u2028\u2029]")
"""llama-swap writes its config anew as YAML while it loads it, and reads that: `\\na` becomes `a` (seen)."""


@dataclass(frozen=True, slots=True)
class Said:
    """filters: None = nothing to set; silent: variants that cannot be said, so that their names are left out too;
    notes: what is left out and why, each with its place in stack.yaml."""

    filters: Filters | None = None
    silent: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def said(model: Model, launch: Launch) -> Said:
    at = ("models", launch.model)
    if "transcribe" in launch.capabilities:
        return _nothing(model, at)
    notes = []
    strip, odd = _parted(model.strip)
    if odd:
        notes.append(f"{path((*at, 'strip'))}: {_words(odd)} is passed on: llama-swap takes plain names only")
    always = {}
    for key, value in model.defaults.items():
        free = "" if key in strip else "llama-swap would set it whatever the client says"
        if why := _why_not({key: value}) or free:
            notes.append(f"{path((*at, 'defaults', _word(key)))}: is not set: {why}")
        else:
            always[key] = value
    if model.serve.max_tokens is not None and launch.limits:
        notes.append(
            f"{path((*at, 'serve', 'max_tokens'))}: is not set in requests: {launch.backend} has no flag for it"
        )
    variants, silent = {}, []
    for name, values in model.variants.items():
        if why := _why_not(values):
            silent.append(name)
            notes.append(f"{path((*at, 'variants', name))}: the name is left out: {why}")
        elif values:
            variants[name] = dict(values)
    found = Filters(strip_params=", ".join(strip) or None, set_params=always or None, set_params_by_id=variants or None)
    return Said(None if found == Filters() else found, frozenset(silent), tuple(notes))


def _nothing(model: Model, at: tuple[str, str]) -> Said:
    """Of a model that is asked in forms."""
    notes = [
        f"{path((*at, key))}: {words}: llama-swap changes no forms"
        for key, words in (
            ("strip", "is passed on"),
            ("defaults", "are not set"),
            ("variants", "their names are left out"),
        )
        if getattr(model, key)
    ]
    return Said(None, frozenset(name for name, values in model.variants.items() if values), tuple(notes))


def _parted(keys: Collection[str]) -> tuple[list[str], list[str]]:
    """(plain ones, others), each once."""
    once = list(dict.fromkeys(keys))
    return [key for key in once if PLAIN.fullmatch(key)], [key for key in once if not PLAIN.fullmatch(key)]


def _why_not(values: Mapping[str, Any]) -> str:
    """Why llama-swap would not set just these, "" if it would."""
    for key in values:
        if not PLAIN.fullmatch(key):
            return f"llama-swap takes {_word(key)} for a path"
        if key in LIMITS:
            return f"{key} has another name on other paths, and llama-swap sets this one on all"
    texts = list(_texts(dict(values)))
    if any("${" in text for text in texts):
        return "`${` would be a macro of llama-swap"
    return "llama-swap loses line breaks in texts" if any(BREAK.search(text) for text in texts) else ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def _words(keys: Collection[str]) -> str:
    return ", ".join(_word(key) for key in keys)


def _word(key: str) -> str:
    """On one line, whatever it holds."""
    return key if PLAIN.fullmatch(key) else json.dumps(key)
