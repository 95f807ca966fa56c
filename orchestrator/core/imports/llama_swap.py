"""llama-swap's config.yaml as a stack.yaml (its keys: its source, commit 0bdb3720199f; reference/llama-swap.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.core.fields import MODEL_ID, VARIABLE
from orchestrator.core.imports import llama_swap_model as one
from orchestrator.core.imports import llama_swap_names as shared
from orchestrator.core.imports.draft import Draft, Imported, Note
from orchestrator.core.imports.macros import Macros
from orchestrator.core.trouble import Steps, Trouble

Owned = Mapping[str, Mapping[str, str]]
"""backend -> its flags that only a key of stack.yaml may set."""

PLANNED = "which models may run together is planned from memory (`stack plan` shows the sets)"
UNSAID = {
    "groups": PLANNED,
    "matrix": PLANNED,
    "profiles": "stack.yaml has no profiles: roles and aliases name an intent",
    "unloadTimeout": "stack ends engines with its own grace",
    "sendLoadingState": "stack never puts words into an answer",
    "includeAliasesInList": "stack lists every name",
    "logLevel": "engines log to files (`stack logs`)",
    "logTimeFormat": "engines log to files (`stack logs`)",
    "logToStdout": "engines log to files (`stack logs`)",
    "logRequests": "engines log to files (`stack logs`)",
    "metricsMaxInMemory": "/metrics counts, nothing is kept",
    "captureBuffer": "stack keeps no prompts",
    "store": "/metrics counts, nothing is kept",
    "performance": "/metrics counts, nothing is kept",
    "ui": "stack has no web page",
    "upstream": "stack passes on OpenAI's and Anthropic's paths only",
}
"""Top-level keys that stack.yaml has no word for, and why."""
SAID = ("models", "macros", "healthCheckTimeout", "globalTTL", "startPort", "apiKeys", "peers", "selectors", "hooks")


def convert(config: Any, env: Mapping[str, str], owned: Owned) -> tuple[Imported | None, tuple[Trouble, ...]]:
    """config: plain data of the file; env: of whoever imports. None beside what stands in the way."""
    if not isinstance(config, dict):
        return None, (Trouble((), "must be a mapping", "a llama-swap config has `models:`"),)
    models = config.get("models")
    if not isinstance(models, dict) or not (models or config.get("peers")):
        return None, (Trouble(("models",), "has no models", "name a llama-swap config with at least one model"),)
    macros = Macros(env)
    top = macros.top(config)
    resolved: dict[str, dict[str, Any]] = {}
    for name, model in models.items():
        if not isinstance(model, dict):
            macros.troubles.append(Trouble(("models", name), "must be a mapping with `cmd`"))
        else:
            resolved[name] = macros.model(name, model)
    troubles = [*macros.troubles, *_wrong_types(top), *_twice(resolved)]
    for name, model in resolved.items():
        troubles += one.troubles(("models", name), model)
    if troubles:
        return None, tuple(troubles)
    notes = [*_written_out(macros), *_top_notes(top)]
    drafts = _drafts(resolved, top, owned)
    drafts += list(_peers(top.get("peers") or {}, {name for draft in drafts for name in names(draft)}, notes))
    _selectors(top.get("selectors") or {}, drafts, notes)
    keys = _keys(top.get("apiKeys") or [], notes)
    return Imported(tuple(drafts), keys, tuple(notes)), ()


def names(draft: Draft) -> Iterator[str]:
    yield draft.id
    yield from draft.model.get("aliases", ())
    yield from draft.model.get("variants", ())


def _wrong_types(top: Mapping[str, Any]) -> Iterator[Trouble]:
    kinds = {"healthCheckTimeout": int, "globalTTL": int, "apiKeys": list, "peers": dict, "selectors": dict}
    for key, kind in kinds.items():
        value = top.get(key)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            words = {int: "a whole number", list: "a list", dict: "a mapping"}[kind]
            yield Trouble((key,), f"must be {words}")
    peers = top.get("peers")
    for name, peer in peers.items() if isinstance(peers, dict) else ():
        if not isinstance(peer, dict) or not isinstance(peer.get("proxy"), str) or not peer.get("models"):
            yield Trouble(("peers", name), "needs `proxy` and `models`")


def _twice(models: Mapping[str, Mapping[str, Any]]) -> Iterator[Trouble]:
    """llama-swap refuses an alias that two models have."""
    claimed: dict[str, str] = {}
    for name, model in models.items():
        for i, alias in enumerate(one.listed(model.get("aliases"))):
            if claimed.setdefault(alias, name) != name:
                yield Trouble(("models", name, "aliases", i), f"alias `{alias}` is already one of {claimed[alias]}")


def _drafts(models: Mapping[str, dict[str, Any]], top: Mapping[str, Any], owned: Owned) -> list[Draft]:
    ids = {name: _id(name, models) for name in models}
    preloaded = _preloaded(top)
    persistent = {str(m) for m in _persistent(top)}
    taken: set[str] = set(ids.values())
    ports: set[int] = set()
    drafts = []
    for name, model in models.items():
        draft = one.convert(Draft(ids[name], ("models", name)), model, owned)
        if ids[name] != name:
            draft.note(f"`{name}` cannot be a name in stack.yaml: it is called {ids[name]}")
        shared.choose_names(draft, name, model, taken)
        ttl = model.get("ttl", -1)
        ttl = top.get("globalTTL") or 0 if ttl == -1 else ttl
        asked = {name, *one.listed(model.get("aliases"))} & preloaded
        if draft.backend == "openai":
            drafts.append(draft)
            continue
        if asked and name in persistent:
            draft.put("residency", "resident")
        else:
            if isinstance(ttl, int) and ttl > 0:
                draft.put("ttl", ttl)
            if asked:
                draft.put("preload", True)
        shared.choose_port(draft, model, ports)
        if isinstance(timeout := top.get("healthCheckTimeout"), int):
            draft.put("serve.start_timeout", max(15, timeout))
        drafts.append(draft)
    return drafts


def _id(name: str, models: Mapping[str, Any]) -> str:
    if re.fullmatch(MODEL_ID, name) and ".." not in name.split("/"):
        return name
    slug = re.sub(r"[^A-Za-z0-9._:@+/-]+", "-", name).lstrip("._:@+/-")[:120].replace("..", ".") or "model"
    while slug in models:
        slug += "-2"
    return slug


def _preloaded(top: Mapping[str, Any]) -> set[str]:
    hooks = top.get("hooks")
    startup = hooks.get("on_startup") if isinstance(hooks, dict) else None
    return set(one.listed(startup.get("preload"))) if isinstance(startup, dict) else set()


def _persistent(top: Mapping[str, Any]) -> Iterator[str]:
    """Members of groups that nothing unloads, once loaded."""
    routing = top.get("routing")
    router = routing.get("router") if isinstance(routing, dict) else None
    settings = router.get("settings") if isinstance(router, dict) else None
    groups = (settings.get("groups") if isinstance(settings, dict) else None) or top.get("groups")
    for group in groups.values() if isinstance(groups, dict) else ():
        if isinstance(group, dict) and group.get("persistent") is True and group.get("swap") is False:
            yield from one.listed(group.get("members"))


def _written_out(macros: Macros) -> Iterator[Note]:
    for name, steps in macros.used.items():
        yield Note(steps, f"${{env.{name}}} is written out as it is set here: stack.yaml knows no such macro")


def _top_notes(top: Mapping[str, Any]) -> Iterator[Note]:
    for key in top:
        if key in UNSAID:
            yield Note((key,), UNSAID[key])
        elif key == "routing":
            routing = top[key] if isinstance(top[key], dict) else {}
            if "router" in routing:
                yield Note((key, "router"), PLANNED)
            if "scheduler" in routing:
                yield Note((key, "scheduler"), "stack queues in order of arrival")
        elif key not in SAID and not key.startswith("x-"):
            yield Note((key,), "is no key of llama-swap that is known here: nothing was made of it")


def _keys(found: list[Any], notes: list[Note]) -> dict[str, dict[str, str]]:
    """By variable. A key that stands in the config itself is never carried over."""
    keys = {}
    for i, key in enumerate(found):
        if hit := re.fullmatch(rf"\$\{{env\.({VARIABLE})\}}", str(key)):
            keys[f"key-{i + 1}"] = {"env": hit[1]}
        else:
            mend = f"write it to a file and say `endpoint: {{keys: {{key-{i + 1}: {{file: PATH}}}}}}`"
            notes.append(Note(("apiKeys", i), f"a key itself must not be in stack.yaml: {mend}"))
    return keys


def _peers(peers: Mapping[str, Any], taken: set[str], notes: list[Note]) -> Iterator[Draft]:
    """Each model of a peer as an attached server: `peer/model`, and `model` where that is free."""
    bare = [str(model) for peer in peers.values() for model in one.listed(peer.get("models"))]
    for peer, settings in peers.items():
        for i, model in enumerate(dict.fromkeys(one.listed(settings.get("models")))):
            steps: Steps = ("peers", peer, "models", i)
            draft = Draft(_id(f"{peer}/{model}", dict.fromkeys(taken)), steps, "openai")
            draft.source |= {"url": settings["proxy"].rstrip("/") + "/v1", "model": model}
            if model not in taken and bare.count(model) == 1 and re.fullmatch(MODEL_ID, model):
                draft.add("aliases", model)
            _peer_key(draft, settings.get("apiKey"), peer)
            one.filters(draft, settings.get("filters") or {}, model, ("peers", peer, "filters"))
            taken.update(names(draft))
            yield draft
        unsaid = [key for key in settings if key not in ("proxy", "models", "apiKey", "filters")]
        notes += [Note(("peers", peer, key), "stack.yaml has no word for it") for key in unsaid]


def _peer_key(draft: Draft, key: Any, peer: str) -> None:
    if hit := re.fullmatch(rf"\$\{{env\.({VARIABLE})\}}", str(key or "")):
        draft.source["key"] = {"env": hit[1]}
    elif key:
        text = "its key is left out: write it to a file and say `key: {file: PATH}` beside the url"
        draft.notes.append(Note(("peers", peer, "apiKey"), text))


def _selectors(selectors: Mapping[str, Any], drafts: list[Draft], notes: list[Note]) -> None:
    """`pin` is an alias of its first target; the others choose per request, which stack.yaml cannot say."""
    owner = {name: draft for draft in drafts for name in names(draft)}
    for name, selector in selectors.items():
        selector = selector if isinstance(selector, dict) else {}
        target = next(iter(one.listed(selector.get("targets"))), "")
        if selector.get("strategy") == "pin" and target in owner and name not in owner and re.fullmatch(MODEL_ID, name):
            owner[target].add("aliases", name)
        else:
            text = f"a selector `{selector.get('strategy', '')}` chooses per request: name one model, or use an alias"
            notes.append(Note(("selectors", name), text))
