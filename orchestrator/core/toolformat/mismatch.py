"""A template's wire format against the parser that would read it: what `stack check` warns of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.core import families
from orchestrator.core.spec import Model
from orchestrator.core.toolformat.readers import BY_FLAG, VOCABULARY, known, others, readers
from orchestrator.core.toolformat.seen import Seen
from orchestrator.core.trouble import Steps, path
from orchestrator.errors import Problem

ANOTHER = "name another template: `chat_template`"


@dataclass(frozen=True, slots=True)
class Served:
    """One source of a model, with its template. key: its place under `sources`; name: of the repository or folder."""

    model_id: str
    model: Model
    key: str
    backend: str
    template: str
    model_type: str = ""
    name: str = ""


def mismatches(served: Served, seen: Seen) -> Iterator[Problem]:
    """Problems without a line yet. Nothing is said of a model without tools."""
    declared, parser = served.model.capabilities, served.model.parsers.tool
    if parser == "none" or (declared is not None and "tools" not in declared):
        return
    if declared is None and not seen.tools and "tools" not in served.template:
        return  # the plan takes it for a model without tools
    source = path(("models", served.model_id, "sources", served.key))
    yield from _conversation(served, seen, source)
    if not seen.call:
        return
    if served.backend == "mlx-lm":
        yield from _inferred(served, seen, source)
    elif served.backend in BY_FLAG and seen.wire:
        yield from _by_flag(served, seen)
    elif served.backend in BY_FLAG and parser == "auto":
        text = f"the chat template writes tool calls in a format that we do not know: {seen.sample}"
        yield Problem(source, text, "`stack probe` tells whether a parser reads it; `parsers.tool` names one")


def _conversation(served: Served, seen: Seen, source: str) -> Iterator[Problem]:
    """Whether tools, and calls of before, reach the model at all."""
    if not seen.tools:
        because = f": {seen.refused}" if seen.refused else ""
        yield Problem(source, f"the chat template leaves tools out of the prompt{because}", ANOTHER)
    elif not _renders_calls(served):
        return
    elif seen.refused:
        yield Problem(
            source,
            f"the chat template fails on a tool call, as {served.backend} hands it over: {seen.refused}",
            ANOTHER,
        )
    elif not seen.call:
        text = "the chat template leaves tool calls out: the model does not see what it called before"
        yield Problem(source, text, ANOTHER)


def _renders_calls(served: Served) -> bool:
    """llama.cpp and its kin have ways of their own; some parsers turn past calls into plain text first."""
    if served.backend in families.AUTOMATIC:
        return False
    _, parser, _, _ = _choice(served)
    return parser not in families.NO_NATIVE_HISTORY.get(served.backend, ())


def _by_flag(served: Served, seen: Seen) -> Iterator[Problem]:
    family, parser, reason, place = _choice(served)
    assert seen.wire is not None
    right = readers(served.backend, seen.wire, family)
    declared = served.model.parsers.tool != "auto"
    if parser in right or (declared and not known(served.backend, parser)):
        return
    writes = f"the template writes {seen.wire.name} calls: {seen.sample}"
    if not right:
        elsewhere = others(seen.wire, served.backend)
        mend = f"another backend reads it ({elsewhere})" if elsewhere else "`stack probe` tells what becomes of them"
        yield Problem(path(place), f"no parser of {served.backend} is known to read them; {writes}", mend)
        return
    who = f"parser {parser} ({reason}) does not read" if parser else f"without a parser ({reason}) nothing reads"
    mend = f"parsers: {{tool: {right[0]}}}, which is right for {served.backend}"
    yield Problem(path(place), f"on {served.backend}, {who} what the model writes; {writes}", mend)


def _choice(served: Served) -> tuple[families.Family | None, str, str, Steps]:
    """(family, parser, why, the place in stack.yaml that decides it), as the plan chooses."""
    model = served.model
    base: Steps = ("models", served.model_id)
    if model.family:
        family, why = families.closest(model.family), "`family`"
    else:
        family, why = families.detect(served.template, served.model_type, served.name)
    chosen = families.tool_path(served.backend, family, why, template=served.template, tool=model.parsers.tool)
    if model.parsers.tool != "auto":
        return family, chosen.tool_parser, chosen.reason, (*base, "parsers", "tool")
    place = (*base, "family") if model.family else (*base, "sources", served.key)
    return family, chosen.tool_parser, chosen.reason, place


def _inferred(served: Served, seen: Seen, source: str) -> Iterator[Problem]:
    right = readers("mlx-lm", seen.wire) if seen.wire else ()
    parser = families.mlx_lm_infers(served.template)
    if parser in right or (not parser and VOCABULARY & set(right)) or (parser and not seen.wire):
        return
    infers = f"infers {parser} from the template, which does not read" if parser else "infers no parser for"
    writes = f"the template writes {seen.wire.name if seen.wire else 'unknown'} calls: {seen.sample}"
    elsewhere = others(seen.wire, "mlx-lm") if seen.wire else ""
    mend = f"it takes no parser by name; another backend reads it ({elsewhere})" if elsewhere else "use another backend"
    yield Problem(source, f"mlx_lm.server {infers} what the model writes; {writes}", mend)
