from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption

if TYPE_CHECKING:
    from orchestrator.cli.probe_asking import Asked
    from orchestrator.core.dialogue.setup import Size


PAIRS = 8
"""Free runs of a comparison: fewer than seven pairs can show no difference (core/dialogue/compare.py)."""


class TierName(StrEnum):
    QUICK = "quick"
    STANDARD = "standard"
    FULL = "full"


def probe(
    model: Annotated[str | None, typer.Argument(help="A model, alias or role of the stack.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Probe this server instead: its API root, .../v1.")] = None,
    model_name: Annotated[str | None, typer.Option("--model", help="With --url: the model to ask for.")] = None,
    key_env: Annotated[
        str | None, typer.Option("--key-env", help="With --url: environment variable of its key.")
    ] = None,
    key_file: Annotated[Path | None, typer.Option("--key-file", help="With --url: file that holds its key.")] = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", help="With --url: folder of its weights, for the probe.json and template in it."),
    ] = None,
    tier: Annotated[
        TierName, typer.Option(help="quick: the gate of `up`; standard: and a run of 40 turns; full: 5 runs, all arms.")
    ] = TierName.STANDARD,
    full: Annotated[bool, typer.Option("--full", help="As --tier full.")] = False,
    turns: Annotated[int | None, typer.Option(help="Turns of a free run.", show_default="40")] = None,
    episodes: Annotated[int | None, typer.Option(help="Free runs of the full tier.", show_default="5")] = None,
    seed: Annotated[int | None, typer.Option(help="Another conversation than the usual one.")] = None,
    against: Annotated[
        str | None, typer.Option(help="Compare with this model on the same seeds; with --url, with that server's URL.")
    ] = None,
    against_model: Annotated[
        str | None, typer.Option(help="With --url and --against: the model there, if it has another name.")
    ] = None,
    save: Annotated[
        list[Path] | None, typer.Option(help="Write a report: FILE.html, .xml (JUnit), .json, or a folder for all.")
    ] = None,
    file: FileOption = Path("stack.yaml"),
    as_json: JsonOption = False,
    host_file: UnusedHostOption = None,
) -> None:
    """Prove that tools work: a scripted conversation over the tool path, and who is to blame if it breaks.

    Exits 6 when the tool path fails; 0 when it passes, and, with a warning, when it is degraded.
    """
    from orchestrator import pipeline
    from orchestrator.cli import probe_asking as asking
    from orchestrator.edge.paths import StackPaths
    from orchestrator.errors import UsageError

    name = model or model_name
    if name is None:
        raise UsageError("name a model to probe", mend="stack probe MODEL, or stack probe --url URL --model NAME")
    if model and model_name:
        raise UsageError("the model is named twice", mend="leave --model out")
    if url is None and (model_name or key_env or key_file or weights or against_model):
        raise UsageError(
            "--model, --key-env, --key-file, --weights and --against-model go with --url", mend="stack probe MODEL"
        )
    if key_env and key_file:
        raise UsageError("--key-env and --key-file exclude each other")
    chosen = TierName.FULL if full else tier
    size = size_of(chosen, comparing=against is not None, seed=seed, turns=turns, episodes=episodes)
    first: asking.Prober
    second: asking.Prober | None = None
    if url is not None:
        key = asking.key_of(key_env, key_file)
        first = asking.ByUrl(url, name, key, weights, size)
        second = asking.ByUrl(against, against_model or name, key, weights, size) if against else None
    else:
        paths = StackPaths(pipeline.name_of(file))
        first = asking.ByDaemon(paths, name, size)
        second = asking.ByDaemon(paths, against, size) if against else None
    raise typer.Exit(_told(asking.ask(first, second, save or [], quiet=as_json), as_json))


def size_of(
    tier: TierName, *, comparing: bool, seed: int | None = None, turns: int | None = None, episodes: int | None = None
) -> Size:
    """A comparison takes the full tier unless `quick` is asked for, and enough runs to show a difference."""
    from orchestrator.core.dialogue.setup import Size

    chosen = TierName.FULL if comparing and tier is TierName.STANDARD else tier
    return Size(chosen.value, seed, turns, PAIRS if comparing and episodes is None else episodes)


def _told(asked: Asked, as_json: bool) -> int:
    """Prints the report; the exit code."""
    from dataclasses import asdict

    from orchestrator.edge.probe.report import as_json as in_json

    told, both = asked.told, [v for v in (asked.told.verdict, asked.told.other) if v is not None]
    if as_json:
        sys.stdout.write(in_json(told))
    elif told.other is not None:
        print(asked.report.compared(asdict(told.verdict), asdict(told.other)))
    else:
        print(asked.report.summary(asdict(told.verdict)))
    for path in asked.written:
        print(f"report: {path}", file=sys.stderr)
    for one in both:
        if one.verdict == "degraded":
            print(f"warning: the tool path of {one.model} is degraded", file=sys.stderr)
    if told.cut_short:
        print(f"stack: {told.cut_short}: the report holds what was seen until then", file=sys.stderr)
        return asked.cut_exit
    return 6 if any(one.verdict == "fail" for one in both) else 0
