"""Chat templates: where a local source has its own, and what it makes of the known call.

A template is a program by somebody else. It is rendered in a child process of few rights: an empty environment, a
sandbox, 10 s, 512 MiB, and no more than a million characters a conversation. Bounds inside one process would not hold:
a single expression (`"a" * 10**10`) can take all time and memory before Python gets to ask.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from orchestrator.core.spec import Source
from orchestrator.core.toolformat.known_call import CASES, TOOLS
from orchestrator.core.toolformat.locate import Rendered
from orchestrator.core.toolformat.seen import Seen, seen
from orchestrator.edge.modelfiles import folder as folders
from orchestrator.edge.modelfiles import render_worker

WORKER = render_worker.__file__
SECONDS = 10
MEMORY = 512 * 2**20
CHARACTERS = 1_000_000
LOOK = 0.05
"""Seconds between two looks at the child's memory, for systems that cannot limit it."""
MOST = 1_000_000
"""Bytes of a template's file."""


class BadTemplate(ValueError):
    """Why a template cannot be read or rendered, in words that follow its file's name."""


@dataclass(frozen=True, slots=True)
class Template:
    """tokens: bos_token, eos_token and the like, which templates use; model_type: of config.json or the GGUF."""

    text: str
    file: Path
    tokens: Mapping[str, str] = field(default_factory=dict)
    model_type: str = ""


def template_of(source: Source) -> Template | None:
    """What a source of stack.yaml would be served with, as far as local files tell; None if they are not here, or hold
    no template. Raises BadTemplate, BadWeights, OSError."""
    own = read(Path(source.path)) if source.path and Path(source.path).exists() else None
    if source.chat_template and Path(source.chat_template).exists():
        given = read(Path(source.chat_template))
        return Template(given.text, given.file, own.tokens, own.model_type) if own and given else given
    return own


def read(path: Path) -> Template | None:
    """Of a model folder, a GGUF, or a Jinja file. Raises BadTemplate, BadWeights, OSError."""
    if path.is_dir():
        return _of_folder(path)
    with path.open("rb") as stream:
        if stream.read(4) == b"GGUF":
            return _of_gguf(path)
        stream.seek(0)
        content = stream.read(MOST + 1)
    if len(content) > MOST:
        raise BadTemplate(f"is larger than {MOST // 10**6} MB: no chat template is")
    return Template(content.decode(errors="replace"), path)


def _of_folder(path: Path) -> Template | None:
    text = folders.template(path)
    if not text:
        return None
    config, tokenizer = (_json(path / name) for name in ("config.json", "tokenizer_config.json"))
    tokens = {name: _token(value) for name, value in tokenizer.items() if name.endswith("_token")}
    return Template(
        text, path, {name: text for name, text in tokens.items() if text}, str(config.get("model_type", ""))
    )


def _json(file: Path) -> Mapping[str, Any]:
    return folders.read_json(file) if file.exists() else {}


def _token(value: object) -> str:
    """A text, or {"content": text}."""
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else ""


def _of_gguf(path: Path) -> Template | None:
    from orchestrator.edge.modelfiles.gguf import read_gguf

    metadata = read_gguf(path).metadata
    names = ("tokenizer.chat_template.tool_use", "tokenizer.chat_template")
    text = next((text for name in names if isinstance(text := metadata.get(name), str)), "")
    return Template(text, path, model_type=str(metadata.get("general.architecture", ""))) if text else None


def look(template: Template) -> Seen:
    """Renders the known call. Raises BadTemplate: it does not compile, or takes more than it may.

    A template that fails on the call alone is no error here: Seen.refused says why."""
    found = seen(rendered(template))
    if found.call or "is unsafe" not in found.refused:
        return found
    # it changes lists, which transformers forbids and llama.cpp allows: what it would write is worth knowing
    return replace(seen(rendered(template, mutable=True)), refused=found.refused)


def prompt(template: Template, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> str:
    """The text after which the model goes on. Without the mark of the beginning, which engines add to a prompt
    themselves. Raises BadTemplate."""
    asked = {**_limits(template), "tools": tools, "conversations": [messages], "mutable": False, "go_on": True}
    answer = _ask(json.dumps(asked))
    if error := answer.get("error") or answer["errors"][0]:
        raise BadTemplate(f"cannot render the conversation: {error}")
    return str(answer["texts"][0]).removeprefix(template.tokens.get("bos_token", ""))


def rendered(template: Template, *, mutable: bool = False) -> tuple[Rendered, ...]:
    """What it makes of CASES, in their order. mutable: it may change lists. Raises BadTemplate."""
    asked = {
        **_limits(template),
        "tools": TOOLS,
        "conversations": [messages for case in CASES for messages in (case.messages(), case.baseline())],
        "mutable": mutable,
        "go_on": False,
    }
    answer = _ask(json.dumps(asked, default=dict))
    if error := answer.get("error"):
        raise BadTemplate(f"is no template that can be used: {error}")
    texts = [text or "" for text in answer["texts"]]
    pairs = zip(texts[::2], texts[1::2], answer["errors"][::2], strict=True)
    return tuple(Rendered(call, baseline, error or "") for call, baseline, error in pairs)


def _limits(template: Template) -> dict[str, Any]:
    return {
        "template": template.text,
        "tokens": {"bos_token": "", "eos_token": "", **template.tokens},
        "memory": MEMORY,
        "seconds": SECONDS,
        "characters": CHARACTERS,
    }


def _ask(asked: str) -> dict[str, Any]:
    argv = [sys.executable, "-I", WORKER]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, env={}, stdin=pipe, stdout=pipe, stderr=pipe, text=True, encoding="utf-8") as child:
        try:
            out, err = _watched(child, asked)
        finally:
            child.kill()
    if child.returncode:
        last = (err.strip().splitlines() or [f"signal {-child.returncode}"])[-1]
        raise BadTemplate(f"broke the process that rendered it: {last}")
    answer: dict[str, Any] = json.loads(out)
    return answer


def _watched(child: subprocess.Popen[str], asked: str) -> tuple[str, str]:
    end = time.monotonic() + SECONDS
    process = psutil.Process(child.pid)
    given: str | None = asked
    while True:
        try:
            return child.communicate(given, timeout=LOOK)
        except subprocess.TimeoutExpired:
            given = None  # communicate goes on with what it was given first
        with contextlib.suppress(psutil.Error):
            if process.memory_info().rss > MEMORY:
                raise BadTemplate(f"takes more than {MEMORY // 2**20} MiB")
        if time.monotonic() > end:
            raise BadTemplate(f"does not end within {SECONDS} s")
