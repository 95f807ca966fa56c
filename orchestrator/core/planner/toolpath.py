"""What a model is for and how its tool calls travel, on the backend that was chosen."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from orchestrator.core import families
from orchestrator.core.launch import Capability, ToolPath
from orchestrator.core.plan import Decision
from orchestrator.core.planner.parser_lists import PARSERS
from orchestrator.core.planner.select import Chosen
from orchestrator.core.toolformat.formats import find
from orchestrator.core.toolformat.mismatch import Served, mismatches
from orchestrator.core.toolformat.seen import Seen
from orchestrator.core.trouble import path
from orchestrator.errors import Problem


@dataclass(frozen=True, slots=True)
class Talk:
    capabilities: tuple[Capability, ...]
    tools: ToolPath
    decisions: tuple[Decision, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def talk(chosen: Chosen) -> Talk:
    capabilities, why = _capabilities(chosen)
    if chosen.backend.reserves == "external":
        decision = Decision(chosen.model_id, "capabilities", ", ".join(capabilities), why)
        return Talk(capabilities, ToolPath(reason="the attached server's own"), (decision,))
    if not {"chat", "tools"} & set(capabilities):
        return Talk(
            capabilities, ToolPath(), (Decision(chosen.model_id, "capabilities", ", ".join(capabilities), why),)
        )
    family, source, unknown = _family(chosen)
    if unknown:
        return Talk(capabilities, ToolPath(), problems=(unknown,))
    parsers = chosen.model.parsers
    tools = families.tool_path(
        chosen.backend.name,
        family,
        source,
        template=chosen.weights.template if chosen.weights else "",
        tool=parsers.tool,
        reasoning=parsers.reasoning,
    )
    found = Talk(capabilities, tools)
    if "tools" in capabilities and not tools.tool_parser and chosen.weights is not None:
        found = _without_tools(chosen, found)
        why += f"; no tools: {tools.reason}" if "tools" not in found.capabilities else ""
    elif "tools" not in capabilities:
        found = replace(found, tools=replace(tools, tool_parser=""))
    return replace(
        found,
        problems=(*found.problems, *_unknown_parsers(chosen)),
        decisions=tuple(_decisions(chosen, found, why, source)),
        warnings=(*found.warnings, *_warnings(chosen, found)),
    )


def _capabilities(chosen: Chosen) -> tuple[tuple[Capability, ...], str]:
    if chosen.model.capabilities is not None:
        return chosen.model.capabilities, "declared"
    found, why = _read_capabilities(chosen)
    return ((*found, "vision"), f"{why}; `mmproj` makes it see") if chosen.source.mmproj else (found, why)


def _read_capabilities(chosen: Chosen) -> tuple[tuple[Capability, ...], str]:
    if chosen.backend.reserves == "external":
        return ("chat", "tools"), "assumed of a server that somebody else runs"
    if chosen.weights is None:
        return ("chat", "tools"), "assumed until the weights are here"
    template = chosen.weights.template
    if not template:
        return ("chat",), "no chat template in the weights"
    if "tools" in template:
        return ("chat", "tools"), "the template takes tools"
    return ("chat",), "the template takes no tools"


def _family(chosen: Chosen) -> tuple[families.Family | None, str, Problem | None]:
    if declared := chosen.model.family:
        family = families.closest(declared)
        where = path(("models", chosen.model_id, "family"))
        known = ", ".join(sorted(families.BY_NAME))
        problem = None if family else Problem(where, f"no family {declared} is known", f"known: {known}")
        return family, "`family`", problem
    weights, source = chosen.weights, chosen.source
    name = source.repo or (source.path or "").rpartition("/")[2]
    family, reason = families.detect(weights.template if weights else "", weights.model_type if weights else "", name)
    return family, reason, None


def _unknown_parsers(chosen: Chosen) -> Iterator[Problem]:
    """Parsers that stack.yaml names and this version of the engine does not have."""
    lists = PARSERS.get((chosen.backend.name, chosen.engine.version if chosen.engine else ""))
    serve = chosen.model.serve
    if lists is None or "--tool-parser-plugin" in (*serve.extra_args, *serve.unchecked_args):
        return
    declared = chosen.model.parsers
    for key, name, known in (("tool", declared.tool, lists[0]), ("reasoning", declared.reasoning, lists[1])):
        if name not in ("auto", "none") and name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            mend = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(known))}"
            at = path(("models", chosen.model_id, "parsers", key))
            yield Problem(at, f"{chosen.backend.name} has no {key} parser {name}", mend)


def _without_tools(chosen: Chosen, found: Talk) -> Talk:
    """Tools were declared: an error. They were only detected: left out, with a warning."""
    declared = chosen.model.capabilities
    if chosen.model.parsers.tool == "none" or declared is None:
        rest = tuple(c for c in found.capabilities if c != "tools")
        words = f"{chosen.model_id}: no tool calls on {chosen.backend.name}: {found.tools.reason}"
        return replace(found, capabilities=rest, warnings=(words,) if declared is None else ())
    at = path(("models", chosen.model_id, "capabilities", declared.index("tools")))
    family = f" ({found.tools.family})" if found.tools.family else ""
    text = f"tools do not work on {chosen.backend.name} with this model{family}: {found.tools.reason}"
    return replace(found, problems=(Problem(at, text, "choose another backend, or leave `tools` out"),))


def _decisions(chosen: Chosen, found: Talk, why: str, source: str) -> Iterator[Decision]:
    model = chosen.model_id
    yield Decision(model, "capabilities", ", ".join(found.capabilities), why)
    if found.tools.family:
        yield Decision(model, "family", found.tools.family, source)
    if found.tools.tool_parser:
        yield Decision(model, "tool parser", found.tools.tool_parser, found.tools.reason)
    if found.tools.reasoning_parser:
        reason = "`parsers.reasoning`" if chosen.model.parsers.reasoning != "auto" else "the template's model reasons"
        yield Decision(model, "reasoning parser", found.tools.reasoning_parser, reason)


def _warnings(chosen: Chosen, found: Talk) -> Iterator[str]:
    backend, tools, model = chosen.backend.name, found.tools, chosen.model_id
    if chosen.weights and tools.tool_parser in families.NO_NATIVE_HISTORY.get(backend, ()):
        yield f"{model}: {backend}'s parser {tools.tool_parser} keeps past calls as plain text, which invites drift"
    yield from _unread(chosen, found)
    template = chosen.weights.template if chosen.weights else ""
    if tools.reasoning_parser and template and not families.thinks(template):
        yield (
            f"{model}: reasoning parser {tools.reasoning_parser} on a model that does not reason: "
            "the answer may end up in the reasoning and leave the content empty"
        )
    if not template and chosen.weights is not None and "chat" in found.capabilities:
        yield f"{model}: the weights have no chat template; the engine falls back to one of its own, or refuses chat"


def _unread(chosen: Chosen, found: Talk) -> Iterator[str]:
    """What the template writes when it is rendered, where the parser chosen by its markers does not read it."""
    weights, source = chosen.weights, chosen.source
    if weights is None or not weights.call or (chosen.backend.name == "mlx-lm" and not found.tools.tool_parser):
        return
    name = source.repo or (source.path or "").rpartition("/")[2]
    key = chosen.where.rpartition(".")[2]
    served = Served(chosen.model_id, chosen.model, key, chosen.backend.name, weights.template, weights.model_type, name)
    for problem in mismatches(served, Seen(True, weights.call, find(weights.call))):
        yield f"{chosen.model_id}: {problem.text}: {problem.mend}"
