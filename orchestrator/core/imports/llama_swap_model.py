"""One model of a llama-swap config."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.core.fields import VARIABLE
from orchestrator.core.imports import docker, llama_server, python_engines
from orchestrator.core.imports.command import split, started
from orchestrator.core.imports.draft import Draft, Note
from orchestrator.core.stackfile.parameters import ITSELF
from orchestrator.core.stackfile.secretive import SECRET_FLAG, SECRET_NAME, SECRET_TEXT
from orchestrator.core.trouble import Steps, Trouble

SAID = (
    *("cmd", "cmdStop", "proxy", "checkEndpoint", "ttl", "env", "aliases", "useModelName", "concurrencyLimit"),
    *("filters", "capabilities", "healthCheckTimeout"),
)
UNSAID = {
    "unlisted": "stack lists every model",
    "name": "stack.yaml has no display name",
    "description": "stack.yaml has no description",
    "metadata": "stack.yaml has no metadata",
    "sendLoadingState": "stack never puts words into an answer",
    "timeouts": "the gateway waits as long as the engine works",
    "unloadTimeout": "stack ends engines with its own grace",
    "compat": "stack passes on no websockets",
}
CALLS = 10
"""Requests that llama-swap lets through at once where `concurrencyLimit` says nothing."""


def listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def troubles(at: Steps, model: Mapping[str, Any]) -> Iterator[Trouble]:
    cmd = model.get("cmd")
    if not isinstance(cmd, str) or not cmd.strip():
        yield Trouble((*at, "cmd"), "needs `cmd`, the command that starts the server")
        return
    for key in ("cmd", "cmdStop"):
        try:
            words = split(str(model.get(key) or ""))
        except ValueError as error:
            yield Trouble((*at, key), f"cannot be split into arguments: {error}")
        else:
            if key == "cmd" and not words:
                yield Trouble((*at, key), "holds nothing but comments")
    for key in ("ttl", "concurrencyLimit"):
        value = model.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | None) or (value or 0) < -1:
            yield Trouble((*at, key), "must be a whole number")
    if not isinstance(model.get("filters", {}), dict | None):
        yield Trouble((*at, "filters"), "must be a mapping")


def convert(draft: Draft, model: Mapping[str, Any], owned: Mapping[str, Mapping[str, str]]) -> Draft:
    """Source, flags, filters, environment; names and port are chosen by whoever sees all models."""
    argv = split(model["cmd"])
    draft.env += listed(model.get("env"))
    made = _elsewhere(draft, model) or _engine(draft, argv, owned) or _command(draft, argv, model)
    _capabilities(made, model.get("capabilities"))
    filters(made, model.get("filters") or {}, str(draft.steps[1]), (*draft.steps, "filters"))
    _environment(made)
    _limit(made, model.get("concurrencyLimit") or 0)
    for key in model:
        if key in UNSAID and model[key] not in (False, None, "", {}):
            made.note(UNSAID[key], key)
        elif key not in UNSAID and key not in SAID:
            made.note("is no key of llama-swap that is known here: nothing was made of it", key)
    return made


def _elsewhere(draft: Draft, model: Mapping[str, Any]) -> Draft | None:
    """A proxy that leads to another machine is a server that is attached."""
    proxy = str(model.get("proxy") or "")
    if not re.match(r"https?://", proxy) or re.match(r"https?://(localhost|127\.|\[::1\]|0\.0\.0\.0|\$\{PORT)", proxy):
        return None
    draft.backend = "openai"
    draft.source = {"url": proxy.rstrip("/") + "/v1", "model": str(model.get("useModelName") or draft.steps[1])}
    draft.note("its proxy leads to another machine: it is attached, its cmd is not run", "proxy")
    return draft


def _engine(draft: Draft, argv: list[str], owned: Mapping[str, Mapping[str, str]]) -> Draft | None:
    """None: no engine that is known, or one whose command says too little; a note says why."""
    made = Draft(draft.id, draft.steps, env=list(draft.env))
    found, boxed = started(argv), docker.container(argv)
    arguments = found.arguments
    if boxed is not None and docker.is_vllm(boxed):
        arguments = docker.apply(made, boxed)
    elif not found.engine:
        return None
    else:
        made.backend = found.engine
        made.env += [f"{name}={value}" for name, value in found.env.items()]
        if found.program:
            made.source["engine"] = {"bin": found.program}
    convert = llama_server.convert if made.backend == "llama-cpp" else python_engines.convert
    try:
        convert(made, arguments, owned.get(made.backend, {}))
    except (llama_server.NotAFile, ValueError) as error:
        draft.note(
            f"stays a command: {error}, so that its memory cannot be planned (memory.weights declares it)", "cmd"
        )
        return None
    return made


def _command(draft: Draft, argv: list[str], model: Mapping[str, Any]) -> Draft:
    draft.backend = "command"
    draft.source = {"cmd": list(_without_secrets(draft, argv))}
    check = model.get("checkEndpoint") or "/health"
    if check == "none":
        draft.note("stack always checks: it asks /v1/models unless `check` names another path", "checkEndpoint")
    else:
        draft.source["check"] = f"/{check.lstrip('/')}"
    stop = str(model.get("cmdStop") or "")
    if "${PID}" in stop:
        draft.note("stack ends the process itself: a stop command with ${PID} is left out", "cmdStop")
    elif stop.strip():
        draft.source["stop"] = split(stop)
    if model.get("useModelName"):
        draft.source["model"] = str(model["useModelName"])
    return draft


def _without_secrets(draft: Draft, argv: list[str]) -> Iterator[str]:
    """Neither a secret nor the flag that it follows; `${` is written as `${PORT}` alone."""
    kept = list(argv)
    for i, word in enumerate(argv):
        flagged = bool(SECRET_FLAG.match(word))
        secret = SECRET_TEXT.search(word) or "${env." in word or ("=" in word and flagged)
        if secret or (i and SECRET_FLAG.fullmatch(argv[i - 1])):
            kept[i] = ""
            flag = argv[i - 1] if i and argv[i - 1].startswith("-") and not word.startswith("-") else ""
            if flag:
                kept[i - 1] = ""
            name = flag or re.split(r"[=:/ $]", word)[0][:20]
            draft.note(f"{name} holds a secret: it is left out; give the server a file to read it from", "cmd")
    return (word for word, was in zip(kept, argv, strict=True) if word or not was)


def _capabilities(draft: Draft, found: Any) -> None:
    if not isinstance(found, dict):
        return
    took, gives = listed(found.get("in")), listed(found.get("out"))
    if found.get("reranker"):
        draft.add("capabilities", "rerank")
    elif "text" in gives or (took and not gives) or found.get("tools"):
        hears_only = took == ["audio"]
        draft.add(
            "capabilities", *(["transcribe"] if hears_only else ["chat"]), *(["tools"] if found.get("tools") else [])
        )
        if "image" in took and (draft.backend != "llama-cpp" or "mmproj" in draft.source):
            draft.add("capabilities", "vision")
    elif "audio" in gives:
        draft.add("capabilities", "speak")
    elif "image" in gives:
        draft.note("stack knows no models that make images: it is served as it is", "capabilities")
    if isinstance(context := found.get("context"), int) and context > 0:
        draft.put("context", context)


def filters(draft: Draft, found: Mapping[str, Any], name: str, at: Steps) -> None:
    """name: the model's own, whose entry of setParamsByID is for everybody.

    setParams override what the client said: they are taken out of its request, then set as `defaults`.
    """
    strip = [one.strip() for one in str(found.get("stripParams") or found.get("strip_params") or "").split(",")]
    draft.add("strip", *_sayable(draft, [one for one in strip if one], (*at, "stripParams")))
    by_name = {str(key): _parameters(value) for key, value in _parameters(found.get("setParamsByID")).items()}
    forced = _parameters(found.get("setParams")) | by_name.pop(name, {})
    kept = _sayable(draft, list(forced), (*at, "setParams"))
    if kept:
        draft.put("defaults", {key: forced[key] for key in kept})
        draft.add("strip", *kept)
    for variant, values in by_name.items():
        names = _sayable(draft, list(values), (*at, "setParamsByID", variant))
        draft.put("variants", {})
        draft.model["variants"][variant] = {key: values[key] for key in names}
    if not draft.model["strip"]:
        del draft.model["strip"]


def _sayable(draft: Draft, names: list[str], at: Steps) -> list[str]:
    """Without what is no parameter of a request; llama-swap itself never touches `model`."""
    for key in names:
        if key in (*ITSELF, "stream"):
            draft.notes.append(Note(at, f"`{key}` is no parameter that stack sets or takes out"))
    return [key for key in names if key not in (*ITSELF, "stream", "model")]


def _parameters(found: Any) -> dict[str, Any]:
    return {str(key): value for key, value in found.items()} if isinstance(found, dict) else {}


def _environment(draft: Draft) -> None:
    env: dict[str, str] = {}
    for entry in draft.env:
        name, sign, value = entry.partition("=")
        if not sign or not re.fullmatch(VARIABLE, name):
            draft.note(f"{name}: is no NAME=VALUE", "env")
        elif SECRET_NAME.search(name) or SECRET_TEXT.search(value) or "${env." in value:
            draft.note(f"{name} is left out: stack.yaml holds no secrets, and an engine's environment is a file", "env")
        elif name == "CUDA_VISIBLE_DEVICES" and draft.backend in ("llama-cpp", "vllm") and "gpus" not in draft.model:
            _gpus(draft, value)
        else:
            env[name] = value
    if "mmproj" in draft.source and "capabilities" not in draft.model:
        draft.note("it has a projector: declare `capabilities`, with vision in it, for requests with images", "cmd")
    if not env:
        return
    if draft.backend == "command":
        draft.source["env"] = env
    elif draft.backend != "openai":
        draft.model.setdefault("serve", {})["env"] = env


def _gpus(draft: Draft, value: str) -> None:
    named = [one.strip() for one in value.split(",") if one.strip()]
    if named and all(re.fullmatch(r"\d{1,3}|(GPU|MIG)-[\w/-]+", one) for one in named):
        draft.put("gpus", [int(one) if one.isdecimal() else one for one in named])
    else:
        draft.note(f"CUDA_VISIBLE_DEVICES={value}: name the GPUs under `gpus`, or declare memory.host", "env")


def _limit(draft: Draft, limit: int) -> None:
    """llama-swap counts what runs and what waits together."""
    serve = draft.model.get("serve", {})
    if draft.backend in ("command", "openai", "vllm"):
        asked = serve.get("concurrency", CALLS)
        draft.model["serve"] = {**serve, "concurrency": min(asked, limit) if limit > 0 else min(asked, CALLS)}
    elif limit > 0:
        running = min(serve.get("concurrency", 1), limit)
        draft.model["serve"] = {**serve, "concurrency": running, "queue": limit - running}
