"""`stack try`: stack.yaml as it would be with one model changed, and the change alone, to be kept. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from orchestrator.core.launch import Launch, Reservation
from orchestrator.core.plan import Pool
from orchestrator.core.planner import flags
from orchestrator.core.spec import Model, Source, Stack
from orchestrator.core.stackfile.names import further_names
from orchestrator.core.stackfile.reading import cross_checks, explain
from orchestrator.core.trouble import path
from orchestrator.core.units import show_size
from orchestrator.errors import UsageError

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be tried; None = as it is. flags: engine flags beside `extra_args`, in place of those of the same
    name; repo, file, path: other weights; context: tokens."""

    flags: tuple[str, ...] = ()
    backend: str | None = None
    repo: str | None = None
    file: str | None = None
    path: str | None = None
    context: int | None = None
    kv_dtype: str | None = None
    tool_parser: str | None = None
    reasoning_parser: str | None = None


def model_of(stack: Stack, name: str) -> str:
    """The model that a name leads to. Raises UsageError."""
    names = {further: model for model, shape in stack.models.items() for _, _, further in further_names(shape)}
    if len(stack.models) == 1:
        names.setdefault("default", next(iter(stack.models)))
    found = name if name in stack.models else names.get(name)
    if found is None:
        raise UsageError(f"there is no model {name}", mend=f"models: {', '.join(stack.models)}")
    return found


def change(model_id: str, model: Model, wish: Wish, present: str) -> Data:
    """What stack.yaml would say under that model, and nothing else; {} where it says so already.

    present: the backend that serves it now; another one gets none of its flags. Raises UsageError."""
    found: Data = {}
    source = _source(model_id, model, wish, present)
    if source is not None:
        found["sources"] = _sources(model, *source)
    serve = _serve(model, wish, moved=wish.backend not in (None, present))
    if serve:
        found["serve"] = serve
    if wish.context not in (None, model.context):
        found["context"] = wish.context
    if wish.kv_dtype not in (None, model.memory.kv_dtype):
        found["memory"] = {"kv_dtype": wish.kv_dtype}
    asked = {"tool": wish.tool_parser, "reasoning": wish.reasoning_parser}
    if parsers := {key: name for key, name in asked.items() if name not in (None, getattr(model.parsers, key))}:
        found["parsers"] = parsers
    return found


def changed(stack: Stack, model_id: str, patch: Mapping[str, Any], *, port: int, context: int | None) -> Stack:
    """A stack of that model alone, served by our own processes. context: that of the present launch, where neither
    file nor wish has one. Raises UsageError for values that stack.yaml would not take."""
    data: Data = stack.model_dump(mode="json", exclude_defaults=True)
    model: Data = data["models"][model_id]
    if context is not None:
        model.setdefault("context", context)
    for key, value in patch.items():
        model[key] = {**model.get(key, {}), **value} if isinstance(value, dict) and key != "sources" else value
    if isinstance(model["sources"], list) and "sources" in patch:
        model["sources"] = model["sources"][:1]  # the one to be tried, and no other in its place
    model["serve"] = {**model.get("serve", {}), "port": port}
    data |= {"models": {model_id: model}, "supervisor": "embedded"}
    data.pop("service", None)
    try:
        made = Stack.model_validate(data)
        troubles = cross_checks(made)
    except ValidationError as error:
        troubles = explain(data, error)
    if troubles:
        raise UsageError(f"{path(troubles[0].steps)}: {troubles[0].text}", mend=troubles[0].mend)
    return made


def merged(present: Sequence[str], more: Sequence[str]) -> list[str]:
    """The flags of both; of one that both name, with its values, only the latter's."""
    renewed = {flag for _, flag in flags.named(more)}
    return [text for group in _groups(present) if not _names(group) & renewed for text in group] + list(more)


def shortage(pools: Iterable[Pool], loaded: Sequence[Launch], tried: Launch) -> str:
    """Why it does not fit beside what is loaded, in a sentence; "" if it does."""
    for pool in pools:
        need = sum(part.total for part in tried.memory if part.pool == pool.name)
        taken = {one.model: sum(part.total for part in one.memory if part.pool == pool.name) for one in loaded}
        left = pool.size - pool.reserve - sum(taken.values())
        if need > left:
            names = ", ".join(f"{model} {show_size(size)}" for model, size in taken.items() if size)
            beside = f" beside {names}" if names else ""
            return f"it needs {show_size(need)}, {show_size(max(left, 0))} are left in the pool `{pool.name}`{beside}"
    return ""


def standing(launch: Launch) -> tuple[Reservation, ...]:
    """What an engine that sleeps still takes: its weights in host memory, and its context on each GPU."""
    return tuple(part if part.pool == "host" else replace(part, weights=0, kv=0) for part in launch.memory)


def awake(launch: Launch) -> tuple[Reservation, ...]:
    """What it takes where it never goes to sleep."""
    if launch.serving.residency != "sleep":
        return launch.memory
    return tuple(part for part in launch.memory if part.pool != "host")


def _source(model_id: str, model: Model, wish: Wish, present: str) -> tuple[int | None, str, Source] | None:
    """(place of the one that it replaces, backend, source) to be tried; None = the file's own choice stands."""
    weights = {"repo": wish.repo, "file": wish.file, "path": wish.path}
    given = {key: value for key, value in weights.items() if value is not None}
    own = model.ordered_sources()
    if not given and wish.backend in (None, present):
        return None
    backend = wish.backend or present or (own[0][1] if len(own) == 1 else "")
    if not backend:
        raise UsageError("whose weights are these?", mend=f"--backend {' | '.join(name for _, name, _ in own)}")
    at = next((i for i, (_, name, _) in enumerate(own) if name == backend), None)
    if at is None and not (wish.repo or wish.path):
        raise UsageError(f"{model_id} has no source for {backend}", mend="name its weights: --repo or --path")
    base = own[at][2] if at is not None else Source()
    if not given:
        return at, backend, base
    apart = ("repo", "revision", "file", "path") if wish.repo or wish.path else ("file",)
    kept = {key: value for key, value in base.model_dump(exclude_defaults=True).items() if key not in apart}
    return at, backend, Source.model_validate(kept | given)


def _sources(model: Model, at: int | None, backend: str, source: Source) -> Any:
    """Under `sources`: it alone, or before the others."""
    rest = [(name, one) for i, (_, name, one) in enumerate(model.ordered_sources()) if i != at]
    if not rest:
        return {backend: _written(source)}
    return [{"backend": name, **_written(one)} for name, one in ((backend, source), *rest)]


def _written(source: Source) -> Data:
    return source.model_dump(mode="json", exclude_defaults=True, exclude={"backend"})


def _serve(model: Model, wish: Wish, *, moved: bool) -> Data:
    """moved: to another backend, which would not take the present one's flags."""
    present = () if moved else model.serve.extra_args
    found: Data = {}
    if (args := merged(present, wish.flags)) != list(model.serve.extra_args):
        found["extra_args"] = args
    if moved and model.serve.unchecked_args:
        found["unchecked_args"] = []
    return found


def _groups(args: Sequence[str]) -> Iterator[list[str]]:
    """Each flag with its values; what comes before the first flag is a group too."""
    starts = [place for place, _ in flags.named(args)]
    for start, end in zip([0, *starts], [*starts, len(args)], strict=True):
        if start < end:
            yield list(args[start:end])


def _names(group: Sequence[str]) -> set[str]:
    return {flag for _, flag in flags.named(group)}
