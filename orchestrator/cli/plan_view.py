"""A plan for people: a table of models, then why, what was skipped, memory and what runs together."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence

from orchestrator.core.launch import Launch
from orchestrator.core.plan import Decision, Plan
from orchestrator.core.units import show_size


def show(plan: Plan) -> None:
    width = max(60, shutil.get_terminal_size((120, 40)).columns)
    print("\n".join(lines(plan, width)))


def lines(plan: Plan, width: int = 120) -> Iterator[str]:
    """Text without colours, no line wider than `width` where a word allows it."""
    yield f"{plan.name}: {plan.endpoint}, supervisor {plan.supervisor}"
    yield ""
    yield from _table(
        ("model", "backend", "residency", "context", "memory", "port", "tools", "names"),
        [_row(plan, launch) for launch in plan.launches],
    )
    for subject in ("stack", *(launch.model for launch in plan.launches)):
        found = [decision for decision in plan.decisions if decision.subject == subject]
        yield from _decisions(subject, found, width)
    if plan.skipped:
        yield from ("", "skipped")
        for skip in plan.skipped:
            yield from _wrap(f"  {skip.model} on {skip.backend}: {skip.reason}", width, "    ")
    yield from _together(plan, width)
    if plan.warnings:
        yield ""
        for warning in plan.warnings:
            yield from _wrap(f"warning: {warning}", width, "  ")


def _row(plan: Plan, launch: Launch) -> tuple[str, ...]:
    names = [name for name, model in plan.names.items() if model == launch.model and name != model]
    memory = show_size(sum(r.total for r in launch.memory)) if launch.memory else "-"
    return (
        launch.model,
        launch.backend,
        "external" if launch.owner == "external" else launch.serving.residency,
        str(launch.serving.context or "-"),
        "unknown" if launch.model in plan.unknown else memory,
        str(launch.port or "-"),
        ("yes" if "tools" in launch.capabilities else "no"),
        " ".join(names) or "-",
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _decisions(subject: str, found: Sequence[Decision], width: int) -> Iterator[str]:
    if not found:
        return
    yield from ("", subject)
    left = max(len(decision.what) for decision in found)
    for decision in found:
        text = f"  {decision.what:<{left}}  {decision.value}  ({decision.reason})"
        yield from _wrap(text, width, " " * (left + 4))


def _together(plan: Plan, width: int) -> Iterator[str]:
    for pool in plan.pools:
        yield from ("", f"memory {pool.name}: {show_size(pool.size)} - {show_size(pool.reserve)} reserve")
        for launch in plan.launches:
            for part in launch.memory:
                if part.pool == pool.name:
                    unknown = launch.model in plan.unknown
                    total = "not known yet" if unknown else f"{show_size(part.total)} = {part.formula}"
                    yield from _wrap(f"  {launch.model}: {total}", width, "    ")
    if len(plan.sets) > 1 or any(plan.evicts.values()):
        yield from ("", "may run together")
        for group in plan.sets:
            yield from _wrap(f"  {', '.join(group)}", width, "    ")
        for model, others in plan.evicts.items():
            if others:
                yield from _wrap(f"  {model} evicts {', '.join(others)}", width, "    ")


def _wrap(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
