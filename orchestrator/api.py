"""`from orchestrator.api import Stack`: what the command `stack` does, for Python (docs/api.md).

    with Stack("stack.yaml") as stack:
        print(stack.generate("hello").text)

Every error is a StackError (orchestrator/errors.py); its mend and its places in stack.yaml are notes of the exception.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from orchestrator.core.dialogue.ask import Message, Turn
from orchestrator.core.dialogue.findings import Finding, Verdict
from orchestrator.core.dialogue.reply import Call
from orchestrator.edge.chat import Answer, Endpoint, Stream, chat_body
from orchestrator.edge.control.client import NotRunning
from orchestrator.edge.control.status import ModelStatus, Status
from orchestrator.edge.control.words import words
from orchestrator.edge.run.api import Event
from orchestrator.edge.stackfile import load
from orchestrator.edge.stackfile.yaml_source import YamlSource
from orchestrator.errors import EngineError, ProbeFailed, SpecError, StackError, UsageError

if TYPE_CHECKING:
    from orchestrator.core.plan import Plan
    from orchestrator.lifecycle import Came

__all__ = [
    "Answer",
    "Call",
    "Event",
    "Finding",
    "ModelStatus",
    "NotRunning",
    "Stack",
    "StackError",
    "Status",
    "Stream",
    "Turn",
    "Verdict",
]

Progress = Callable[[Event], None]
"""Hears what happens during `up`, each with a line of `text`: engines that start, turns of the probe, warnings."""
Tools = Sequence[Mapping[str, Any]]
"""As OpenAI's API takes them: [{"type": "function", "function": {"name": ..., "parameters": {...}}}]."""


class Stack:
    """A stack.yaml. Raises SpecError with every problem of the file.

    file: read once, here; host_file: plan for the machine in this JSON file (`stack host --json`); progress: for `up`,
    where it is given no other.
    """

    def __init__(
        self,
        file: str | os.PathLike[str] = "stack.yaml",
        *,
        host_file: str | os.PathLike[str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._begin(load.load(Path(file)), host_file, progress)

    @classmethod
    def from_text(cls, text: str, *, folder: str | os.PathLike[str] = ".", progress: Progress | None = None) -> Self:
        """The text of a stack.yaml. folder: where its relative paths begin; without `name` it is called after the
        folder, so that two of one folder would be the same stack."""
        called = "<text>"
        return cls._of(load.at(Path(folder) / called, *load.parse(text, called)), progress)

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], *, folder: str | os.PathLike[str] = ".", progress: Progress | None = None
    ) -> Self:
        """The same as plain data: dicts, lists, texts, numbers, paths."""
        called = "<dict>"
        try:
            stack, _ = load.parse(json.dumps(data, default=os.fspath), called)  # YAML holds JSON
        except TypeError as error:
            raise UsageError(f"this is no data for a stack.yaml: {error}") from None
        except SpecError as error:
            raise SpecError(called, [replace(one, line=None, excerpt="") for one in error.problems]) from None
        return cls._of(load.at(Path(folder) / called, stack, YamlSource((), None)), progress)

    @classmethod
    def _of(cls, loaded: load.Loaded, progress: Progress | None) -> Self:
        if loaded.stack.name is None:  # not that of a stack.yaml in that folder
            loaded = replace(loaded, name=load.default_name(loaded.file))
        made = cls.__new__(cls)
        made._begin(loaded, None, progress)
        return made

    def _begin(self, loaded: load.Loaded, host_file: str | os.PathLike[str] | None, progress: Progress | None) -> None:
        from orchestrator.edge.paths import StackPaths

        self._loaded, self._progress = loaded, progress
        self._host_file = None if host_file is None else Path(host_file)
        self._paths = StackPaths(loaded.name)
        self._ours = False

    @property
    def name(self) -> str:
        return self._loaded.name

    @property
    def endpoint(self) -> str:
        """The OpenAI endpoint, ending in /v1, also while the stack is down."""
        from orchestrator.core.fields import listen_address
        from orchestrator.core.plan import endpoint_url

        return endpoint_url(listen_address(self._loaded.stack.endpoint.listen[0]))

    def plan(self, *, force: Iterable[str] = ()) -> Plan:
        """What would run here, each decision with its reason. force: models that may exceed memory. Raises PlanError
        with every problem."""
        from orchestrator import pipeline

        prepared = pipeline.prepare_loaded(self._loaded, self._host_file)
        return pipeline.make_plan(prepared, force=frozenset(force))

    def up(self, progress: Progress | None = None, *, force: Iterable[str] = ()) -> Status:
        """Pulls, starts and proves, as `stack up` does; returns when the stack is ready, and leaves it running.

        Downloads show their bar on stderr where `progress` is given. Raises PlanError, EngineError, ProbeFailed (the
        stack is up then, and refuses requests with tools), Drift, LockHeld, Interrupted.
        """
        from orchestrator import lifecycle, pipeline

        hear = progress or self._progress
        heard = _Heard(hear)
        prepared = pipeline.prepare_loaded(self._loaded, self._host_file)
        came = lifecycle.up(prepared, force=force, quiet=hear is None, say=heard.say, watch=heard.watch)
        if came.exit:
            raise heard.failure(came)
        return Status.of(came.status)

    def down(self, *, uninstall: bool = False) -> bool:
        """Stops everything of this stack. Whether anything ran. uninstall: remove state and logs too."""
        from orchestrator import lifecycle

        left = lifecycle.down(self._paths, self._loaded.file, uninstall=uninstall)
        return left.was_up or left.swept > 0

    def status(self) -> Status:
        from orchestrator import lifecycle

        return Status.of(lifecycle.status(self._paths) or {})

    def generate(
        self,
        prompt: str | Sequence[Message],
        model: str = "default",
        *,
        tools: Tools | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> Answer:
        """One answer. prompt: a user's message, or a conversation in OpenAI's form; model: a model, alias or role.

        params: further keys of OpenAI's chat request (`temperature`, `max_tokens`, ...); timeout: longest silence in
        seconds, None = an engine that loads may take its time. Raises UsageError, EngineError, ProbeFailed, NotRunning.
        """
        return self._endpoint().generate(chat_body(prompt, model, {**params, "tools": tools}), timeout)

    def stream(
        self,
        prompt: str | Sequence[Message],
        model: str = "default",
        *,
        tools: Tools | None = None,
        timeout: float | None = None,
        **params: Any,
    ) -> Stream:
        """The same as it is written: iterate over pieces of text; `answer` holds the whole of it afterwards."""
        return self._endpoint().stream(chat_body(prompt, model, {**params, "tools": tools}), timeout)

    def probe(
        self,
        model: str = "default",
        tier: Literal["quick", "standard", "full"] = "standard",
        *,
        turns: int | None = None,
        episodes: int | None = None,
        seed: int | None = None,
        on_turn: Callable[[Turn], None] | None = None,
    ) -> Verdict:
        """Proves the tool path of a model of the running stack, as `stack probe` does (docs/probe.md). A tool path that
        does not hold is a verdict, no exception. Raises NotRunning, EngineError."""
        from orchestrator.core.dialogue.setup import Size
        from orchestrator.edge.probe.probers import ByDaemon

        return ByDaemon(self._paths, model, Size(tier, seed, turns, episodes)).verdict(_Turns(on_turn))

    def __enter__(self) -> Self:
        """Up. A stack that was up before stays up at the end of the block."""
        from orchestrator.edge.control import client as control

        self._ours = control.status(self._paths) is None
        try:
            self.up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            self._ours = False
            self.down()

    def _endpoint(self) -> Endpoint:
        from orchestrator.edge import secrets

        keys = secrets.client_keys(self._loaded.stack.endpoint)
        return Endpoint(self.endpoint, next(iter(keys.values()), None), self.name)


class _Heard:
    """Hands on what the daemon tells, and keeps what went wrong."""

    def __init__(self, progress: Progress | None) -> None:
        self._hear: Progress = progress or (lambda event: None)
        self._findings: list[str] = []
        self._ends: dict[str, list[str]] = {}

    def say(self, text: str) -> None:
        self._hear(Event("log", text=text))

    def watch(self, events: Iterable[Event]) -> Mapping[str, Any] | None:
        for event in events:
            data: Mapping[str, Any] = event.data or {}
            if event.kind == "done":
                return data
            if event.kind == "verdict":
                self._findings += [f"{event.model}: {one}" for one in data.get("findings", ())]
            if event.kind == "engine" and data.get("error"):
                self._ends[event.model] = [*data.get("details", ())]
            self._hear(replace(event, text=words(event)))
        return None

    def failure(self, came: Came) -> StackError:
        if came.exit == ProbeFailed.exit_code:
            details = [*self._findings, *came.warnings]
            return ProbeFailed("the tool path does not hold", mend="Stack.probe(MODEL) shows why", details=details)
        failed = [f"{one.id}: {one.error}" for one in Status.of(came.status).models if one.error]
        text = "; ".join(failed or came.warnings) or "an engine failed"
        return EngineError(text, details=[line for end in self._ends.values() for line in end])


@dataclass(frozen=True, slots=True)
class _Turns:
    on_turn: Callable[[Turn], None] | None

    def line(self, text: str) -> None:
        """A probe's caller hears of turns alone."""

    def turn(self, turn: dict[str, Any]) -> None:
        if self.on_turn is not None:
            self.on_turn(Turn(**turn))
