"""What a template showed of itself when it was rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.toolformat.formats import Format, find
from orchestrator.core.toolformat.known_call import CASES
from orchestrator.core.toolformat.locate import Rendered, takes_tools, written

WIDTH = 160


@dataclass(frozen=True, slots=True)
class Seen:
    """call: the known call as the template writes it, "" if it leaves calls out; wire: its format, None if unknown.

    refused: why no conversation with a call could be rendered in the way of transformers, vLLM and the MLX engines
    (arguments as an object, nothing changed in place), "" if one could.
    """

    tools: bool
    call: str = ""
    wire: Format | None = None
    refused: str = ""

    @property
    def sample(self) -> str:
        """The call in one line."""
        line = self.call.replace("\n", "\\n")
        return line if len(line) <= WIDTH else f"{line[: WIDTH - 4]} ..."


def seen(rendered: Sequence[Rendered]) -> Seen:
    """rendered: of CASES. Of the calls that it writes, the first whose format is known, else the first."""
    usual = [one for one, case in zip(rendered, CASES, strict=True) if case.arguments == "object"]
    refused = "" if any(one.call for one in usual) else usual[0].error
    calls = [(text, find(text)) for text in written(rendered)]
    call, wire = next((pair for pair in calls if pair[1]), calls[0]) if calls else ("", None)
    return Seen(takes_tools(rendered), call, wire, refused)
