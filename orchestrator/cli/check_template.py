"""`stack check --template FILE`: the wire format that a chat template writes, and the parser for it in each backend."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.core.families import Family
    from orchestrator.core.toolformat.advice import Advice
    from orchestrator.core.toolformat.seen import Seen

MOST_LINES = 20


def show(file: Path, as_json: bool) -> None:
    """Raises PlanError: no such file, no template in it, or one that cannot be rendered."""
    from orchestrator.core.families import detect
    from orchestrator.core.toolformat.advice import advice
    from orchestrator.edge.modelfiles.bad_weights import BadWeights
    from orchestrator.edge.modelfiles.chat_template import BadTemplate, look, read
    from orchestrator.errors import PlanError

    mend = "name a Jinja file, a model's folder or a GGUF"
    try:
        template = read(file)
        if template is None:
            raise PlanError(f"{file}: holds no chat template", mend=mend)
        seen = look(template)
    except OSError as error:
        raise PlanError(f"{file}: {error.strerror or error}", mend=mend) from error
    except BadTemplate as error:
        raise PlanError(f"{file}: {error}", mend="no engine should be given a template like that") from error
    except BadWeights as error:
        raise PlanError(str(error), mend=mend) from error
    family, _ = detect(template.text, template.model_type, "")
    rows = advice(seen, template.text, family)
    if as_json:
        print(json.dumps(_report(file, seen, family, rows), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(file, seen, family, rows)))


def _report(file: Path, seen: Seen, family: Family | None, rows: Sequence[Advice]) -> dict[str, Any]:
    return {
        "file": str(file),
        "format": seen.wire.name if seen.wire else None,
        "call": seen.call or None,
        "takes_tools": seen.tools,
        "writes_calls": bool(seen.call),
        "refused": seen.refused or None,
        "family_by_markers": family.name if family else None,
        "backends": [asdict(row) for row in rows],
    }


def _lines(file: Path, seen: Seen, family: Family | None, rows: Sequence[Advice]) -> Iterator[str]:
    if seen.call:
        yield f"{file}: writes {seen.wire.name + ' calls' if seen.wire else 'calls in a format that we do not know'}"
        lines = [line[:200] for line in seen.call.splitlines()]
        yield from (f"    {line}" for line in lines[:MOST_LINES])
    elif seen.refused:
        yield f"{file}: fails on a tool call: {seen.refused}"
    else:
        yield f"{file}: leaves tool calls out"
    if not seen.tools:
        yield "  it leaves tools out of the prompt"
    if seen.call and seen.refused:
        yield f"  engines that hand calls over as transformers does fail on it: {seen.refused}"
    yield f"  family by its markers alone: {family.name if family else 'none'}"
    cells = [("backend", "parser", ""), *((_name(row), row.parser or "-", row.note) for row in rows)]
    widths = [max(len(cell[i]) for cell in cells) for i in (0, 1)]
    yield from (f"  {name:<{widths[0]}}  {parser:<{widths[1]}}  {note}".rstrip() for name, parser, note in cells)


def _name(row: Advice) -> str:
    return f"{row.backend} {row.version}".rstrip()
