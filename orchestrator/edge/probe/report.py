"""Writes the probe's reports: JSON, JUnit XML and one HTML page that needs nothing else. Whole files or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from orchestrator.core.dialogue.compare import compare
from orchestrator.core.dialogue.findings import Verdict
from orchestrator.core.dialogue.gained import Gained
from orchestrator.core.dialogue.reports.junit import junit
from orchestrator.core.dialogue.reports.page import page
from orchestrator.core.dialogue.reports.public import compared, dumps, public
from orchestrator.core.dialogue.reports.safe import whole
from orchestrator.edge.probe.verdicts import ADAPTER
from orchestrator.edge.templates import folder
from orchestrator.edge.write import replace_file
from orchestrator.errors import EngineError, UsageError

if TYPE_CHECKING:
    from jinja2 import Template

T = TypeVar("T")
GAINED = TypeAdapter(Gained)


@dataclass(frozen=True, slots=True)
class Reported:
    """verdict: of the probe, or of A; other: of B, None where nothing is compared; scenarios: those asked, in order;
    cut_short: why the run ended before its tier did, "" = it did not."""

    verdict: Verdict
    other: Verdict | None = None
    scenarios: Sequence[str] = ()
    cut_short: str = ""


def verdict_of(values: Mapping[str, Any]) -> Verdict:
    """A verdict as the daemon sends it. Raises EngineError where its shape is another."""
    return _read(ADAPTER, values, "verdict")


def gained_of(values: Mapping[str, Any]) -> Gained:
    """What a turn of the daemon's probe added. Raises EngineError where its shape is another."""
    return _read(GAINED, values, "turn")


def _read(shape: TypeAdapter[T], values: Mapping[str, Any], what: str) -> T:
    try:
        return shape.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        text = f"the daemon's {what} cannot be read: {where}: {first['msg']}"
        raise EngineError(text, mend="is it another version? `stack down`, then `stack up`") from None


def as_json(told: Reported) -> str:
    if told.other is None:
        return dumps(public(told.verdict, told.cut_short)) + "\n"
    found = compare(told.verdict.episodes, told.other.episodes)
    return dumps(compared(told.verdict, told.other, found, told.cut_short)) + "\n"


def as_junit(told: Reported) -> str:
    if told.other is None:
        return junit([told.verdict], told.scenarios, cut_short=told.cut_short)
    words = compare(told.verdict.episodes, told.other.episodes).words
    return junit([told.verdict, told.other], told.scenarios, cut_short=told.cut_short, words=words)


def as_html(told: Reported, made: str | None = None) -> str:
    """made: when, in words; None = now."""
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC" if made is None else made
    return whole(_template().render(page=page(told.verdict, told.other, made=when, cut_short=told.cut_short)))


KINDS: dict[str, tuple[str, Callable[[Reported], str]]] = {
    ".json": ("report.json", as_json),
    ".xml": ("junit.xml", as_junit),
    ".html": ("report.html", as_html),
}
"""suffix -> (name in a folder, maker)."""


def files_of(place: Path) -> dict[Path, Callable[[Reported], str]]:
    """One file where `place` ends in .json, .xml or .html; else a folder with all three. Raises UsageError."""
    if place.is_dir() or not place.suffix:
        return {place / name: make for name, make in KINDS.values()}
    if place.suffix not in KINDS:
        text = f"{place}: a report is .json, .xml (JUnit) or .html"
        raise UsageError(text, mend="or name a folder for all three")
    return {place: KINDS[place.suffix][1]}


def save(told: Reported, place: Path) -> tuple[Path, ...]:
    """Writes `files_of(place)`, and says what was written. Raises UsageError, also where it cannot be written."""
    files = files_of(place)
    for file, make in files.items():
        try:
            replace_file(file, make(told).encode())
        except OSError as error:
            raise UsageError(
                f"{file} cannot be written: {error.strerror or error}", mend="name another place"
            ) from None
    return tuple(files)


@cache
def _template() -> Template:
    """With autoescape: evidence holds whatever a server said."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(folder() / "probe"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return found.get_template("report.html.j2")
