"""Which parser each backend needs for what a template showed of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.core.families import AUTOMATIC, Family, mlx_lm_infers
from orchestrator.core.toolformat.readers import BACKENDS, MEASURED, VOCABULARY, readers
from orchestrator.core.toolformat.seen import Seen

FLAGS = dict.fromkeys(("vllm", "vllm-mlx"), "--enable-auto-tool-choice --tool-call-parser")


@dataclass(frozen=True, slots=True)
class Advice:
    """parser: the one to name, "" if there is none; also: others that read the same; version: which was measured."""

    backend: str
    parser: str
    also: tuple[str, ...] = ()
    version: str = ""
    note: str = ""


def advice(seen: Seen, template: str, family: Family | None) -> tuple[Advice, ...]:
    """A line per backend, in the order of BACKENDS. family: by the template's markers; it decides where the format
    was not seen."""
    return tuple(_rows(seen, template, family))


def _rows(seen: Seen, template: str, family: Family | None) -> Iterator[Advice]:
    for backend in BACKENDS:
        version = MEASURED.get(backend, "")
        if backend in AUTOMATIC:
            yield Advice(backend, "auto", note="finds it from the template")
            continue
        right = readers(backend, seen.wire, family) if seen.wire else ()
        if backend == "mlx-lm":
            yield _mlx_lm(seen, right, mlx_lm_infers(template), version)
        elif right:
            yield Advice(backend, right[0], right[1:], version, _setting(backend, right[0]))
        elif seen.wire:
            yield Advice(backend, "", (), version, "no parser of it is known to read this format")
        else:
            guess = family.tool.get(backend, "") if family else ""
            note = f"by markers alone: {_setting(backend, guess)}" if guess else "not known"
            yield Advice(backend, guess, (), version, note)


def _setting(backend: str, parser: str) -> str:
    flags = f", or {FLAGS[backend]} {parser}" if backend in FLAGS else ""
    return f"parsers: {{tool: {parser}}}{flags}"


def _mlx_lm(seen: Seen, right: tuple[str, ...], inferred: str, version: str) -> Advice:
    rest = tuple(parser for parser in right if parser != inferred)
    if inferred and (inferred in right or not seen.wire):
        return Advice("mlx-lm", inferred, rest, version, "infers it from the template")
    if inferred:
        return Advice("mlx-lm", "", (), version, f"infers {inferred}, which does not read this format")
    if VOCABULARY & set(right):
        return Advice("mlx-lm", right[0], right[1:], version, "infers it where the vocabulary has its tokens")
    if right:
        return Advice("mlx-lm", "", (), version, f"infers none from this template, though {right[0]} would read it")
    return Advice("mlx-lm", "", (), version, "infers none from this template")
