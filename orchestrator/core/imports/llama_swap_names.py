"""What the models of a llama-swap config share: names, each of one model, and ports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from orchestrator.core.fields import MODEL_ID
from orchestrator.core.imports.draft import Draft
from orchestrator.core.imports.llama_swap_model import listed


def choose_names(draft: Draft, name: str, model: Mapping[str, Any], taken: set[str]) -> None:
    """Aliases and variants that are free and can be said; taken: names of all models, and those chosen before."""
    variants = draft.model.pop("variants", {})
    kept = {}
    for variant, parameters in variants.items():
        if _may(draft, variant, taken, "filters", "setParamsByID"):
            kept[variant] = parameters
            taken.add(variant)
    if kept:
        draft.model["variants"] = kept
    for i, alias in enumerate(listed(model.get("aliases"))):
        if alias not in (name, *variants) and _may(draft, alias, taken, "aliases", i):
            draft.add("aliases", alias)
            taken.add(alias)


def _may(draft: Draft, name: str, taken: set[str], *below: str | int) -> bool:
    if name in taken:
        draft.note(f"`{name}` is already a name of something else: left out", *below)
    elif not re.fullmatch(MODEL_ID, name) or ".." in name.split("/"):
        draft.note(f"`{name}` cannot be a name in stack.yaml: left out", *below)
    else:
        return True
    return False


def choose_port(draft: Draft, model: Mapping[str, Any], ports: set[int]) -> None:
    """A command keeps its server's port only where it does not name it: else stack chooses one and tells it."""
    if draft.backend != "command" or any("${PORT}" in word for word in draft.source["cmd"]):
        return
    hit = re.search(r":(\d{1,5})(?:/|$)", str(model.get("proxy") or ""))
    if hit is None:
        draft.note("neither it nor `proxy` names a port: write ${PORT} where the server takes it", "cmd")
        return
    number = hit[1]
    whole = re.compile(rf"(?<![\d.]){number}(?![\d.])")
    if any(whole.search(word) for word in draft.source["cmd"]):
        draft.source["cmd"] = [whole.sub("${PORT}", word, count=1) for word in draft.source["cmd"]]
    elif int(number) in ports or not 0 < int(number) < 65536:
        draft.note(f"port {number} is another model's too: name a port in its cmd as ${{PORT}}", "proxy")
    else:
        ports.add(int(number))
        draft.put("serve.port", int(number))
