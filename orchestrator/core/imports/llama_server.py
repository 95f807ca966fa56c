"""llama-server's command line as a source of llama-cpp (flags: its --help, version 0.3.36)."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.core.imports.command import Handler, as_path, carry, drop, source, whole
from orchestrator.core.imports.draft import Draft

TYPES = {"f16": "f16", "bf16": "bf16", "q8_0": "q8", "q4_0": "q4"}


class NotAFile(Exception):
    """The weights are named in a way that says no file."""


def convert(draft: Draft, arguments: list[str], owned: Mapping[str, str]) -> None:
    """Raises NotAFile where the command lets llama-server choose the file itself."""
    seen: dict[str, str] = {}

    def keep(name: str) -> Handler:
        def put(_: Draft, value: str) -> None:
            seen[name] = value

        return put

    def say(text: str) -> Handler:
        return lambda made, value: made.note(text, "cmd")

    table: dict[str, Handler] = {}
    rows: tuple[tuple[str, Handler], ...] = (
        ("-m --model", keep("model")),
        ("-hf -hfr --hf-repo", keep("repo")),
        ("-hff --hf-file", keep("file")),
        ("-mu --model-url", keep("url")),
        ("-c --ctx-size", keep("context")),
        ("-np --parallel", keep("slots")),
        ("-ctk --cache-type-k", keep("k")),
        ("-ctv --cache-type-v", keep("v")),
        ("-ngl --gpu-layers --n-gpu-layers", keep("layers")),
        ("-kvu --kv-unified", keep("unified")),
        ("-n --predict --n-predict", whole("serve.max_tokens")),
        ("-mm --mmproj", source("mmproj")),
        ("-md --model-draft --spec-draft-model", source("draft")),
        ("--chat-template-file", source("chat_template")),
        ("-a --alias --host --port --metrics --jinja -no-kvu --no-kv-unified", drop),
        ("--embedding --embeddings", lambda made, _: made.add("capabilities", "embed")),
        ("--rerank --reranking", lambda made, _: made.add("capabilities", "rerank")),
        ("--no-jinja", say("--no-jinja: tools need the model's own template, it is always used")),
        ("--chat-template", say("--chat-template: put the template into a file and name it as `chat_template`")),
    )
    for flags, handler in rows:
        table |= dict.fromkeys(flags.split(), handler)
    carry(draft, arguments, table, owned)
    _weights(draft, seen)
    _slots(draft, seen)
    _types(draft, seen.get("k"), seen.get("v"))
    _layers(draft, seen.get("layers"))


def _weights(draft: Draft, seen: Mapping[str, str]) -> None:
    if "model" in seen and "repo" not in seen:
        draft.source["path"] = as_path(seen["model"])
    elif "repo" in seen and "file" in seen:
        draft.source |= {"repo": seen["repo"].partition(":")[0], "file": seen["file"]}
    elif "repo" in seen:
        raise NotAFile("-hf names a repository and lets llama-server choose the file")
    else:
        raise NotAFile("no -m says which GGUF it is")


def _slots(draft: Draft, seen: Mapping[str, str]) -> None:
    """`-c` is of all slots together."""
    slots = int(seen["slots"]) if seen.get("slots", "").isdecimal() else 1
    if slots > 1:
        draft.put("serve.concurrency", slots)
    total = seen.get("context", "0")
    if not total.isdecimal():
        draft.note(f"-c {total} is no number: context is left out", "cmd")
    elif int(total):
        draft.put("context", max(1, int(total) // max(1, slots)))
        if "unified" in seen and slots > 1:
            draft.note("--kv-unified let one request use all of -c: here each gets its share (memory.kv pools)", "cmd")


def _types(draft: Draft, k: str | None, v: str | None) -> None:
    if k == v and (k is None or k in TYPES):
        if k not in (None, "f16"):
            draft.put("memory.kv_dtype", TYPES[str(k)])
        return
    draft.note(
        f"--cache-type-k {k or 'f16'}, --cache-type-v {v or 'f16'}: memory.kv_dtype has one type for both", "cmd"
    )


def _layers(draft: Draft, layers: str | None) -> None:
    if layers is None or layers in ("auto", "all") or (layers.isdecimal() and int(layers) >= 99):
        return
    mend = "the plan counts layers from memory: memory.gpu {0: SIZE} and memory.host say how much goes where"
    draft.note(f"-ngl {layers}: {mend}", "cmd")
