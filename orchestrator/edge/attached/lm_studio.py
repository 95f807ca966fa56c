"""LM Studio before a stack goes up: does it run, has it the model, how long is its context (its REST API v0)."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from orchestrator.core.attached import own_root
from orchestrator.core.launch import Attach, Launch
from orchestrator.edge.attached.http import Server
from orchestrator.errors import Problem

START = "start its server (`lms server start`), or correct the source's `url`"
MODELS = "/api/v0/models"


def server(how: Attach, key: str | None) -> Server:
    return Server("lm-studio", own_root(how), START, key)


def rows(studio: Server, status: int, reply: dict[str, Any]) -> list[dict[str, Any]]:
    """The models of an answer to MODELS. Raises EngineError: it is no LM Studio, or one before 0.3.6."""
    found = reply.get("data")
    if status != 200 or not isinstance(found, list):
        raise studio.strange(MODELS, reply.get("error", status))
    return [row for row in found if isinstance(row, dict) and "id" in row]


def problems(launch: Launch, found: list[dict[str, Any]]) -> Iterator[Problem]:
    name = launch.served_name
    row = next((row for row in found if row["id"] == name), None)
    if row is None:
        near = difflib.get_close_matches(name, [str(row["id"]) for row in found], n=3)
        have = ", ".join(near or [str(row["id"]) for row in found][:5]) or "none at all"
        mend = f"it lists {have} (with JIT loading off only what is loaded); `lms get {name}` downloads it"
        yield Problem(launch.source, f"LM Studio has no model {name}", mend)
        return
    wanted = launch.serving.context
    context = context_of(row)
    if wanted and context is not None and context < wanted:
        words = "gives" if row.get("state") == "loaded" else "can give"
        text = f"LM Studio {words} {name} a context of {context}, {wanted} is asked for"
        yield Problem(f"models.{launch.model}.context", text, f"load it with more there, or declare {context}")
    if "embed" in launch.capabilities and row.get("type") not in ("embeddings", "embedding", None):
        yield Problem(f"models.{launch.model}.capabilities", f"{name} is no embedding model ({row.get('type')})")


def context_of(row: dict[str, Any]) -> int | None:
    """Of the loaded model; of one that is not loaded the most that it could have."""
    found = row.get("loaded_context_length") if row.get("state") == "loaded" else None
    found = found or row.get("max_context_length")
    return int(found) if found else None
