from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption
from orchestrator.cli.probe import TierName, size_of

if TYPE_CHECKING:
    from orchestrator.cli.probe_asking import Asked
    from orchestrator.trial import Trial


def try_(
    model: Annotated[str, typer.Argument(help="A model, alias or role of the stack.")],
    flags: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- FLAGS]", help="Engine flags beside `extra_args`; one that is there is replaced."),
    ] = None,
    backend: Annotated[
        str | None, typer.Option("--backend", help="On this backend (without the flags of now).")
    ] = None,
    repo: Annotated[str | None, typer.Option("--repo", help="With the weights of this repository.")] = None,
    gguf: Annotated[str | None, typer.Option("--gguf", help="With this file of the repository.")] = None,
    path: Annotated[str | None, typer.Option("--path", help="With the weights in this folder or GGUF.")] = None,
    context: Annotated[int | None, typer.Option("--context", min=1, help="Tokens that one request may use.")] = None,
    kv_dtype: Annotated[str | None, typer.Option("--kv-dtype", help="Numbers in the KV cache: f16, q8, ...")] = None,
    parser: Annotated[str | None, typer.Option("--parser", help="Tool-call parser.")] = None,
    reasoning_parser: Annotated[str | None, typer.Option("--reasoning-parser", help="Reasoning parser.")] = None,
    instead: Annotated[
        bool, typer.Option("--instead", help="Unload the present one for the time, where both do not fit.")
    ] = False,
    tier: Annotated[
        TierName, typer.Option(help="As of stack probe; a comparison takes full, unless quick is asked for.")
    ] = TierName.STANDARD,
    turns: Annotated[int | None, typer.Option(help="Turns of a free run.", show_default="40")] = None,
    episodes: Annotated[int | None, typer.Option(help="Free runs of a comparison.", show_default="8")] = None,
    seed: Annotated[int | None, typer.Option(help="Another conversation than the usual one.")] = None,
    save: Annotated[
        list[Path] | None, typer.Option(help="Write a report: FILE.html, .xml (JUnit), .json, or a folder for all.")
    ] = None,
    file: FileOption = Path("stack.yaml"),
    as_json: JsonOption = False,
    host_file: UnusedHostOption = None,
) -> None:
    """Try a model with other flags, or on another backend: an engine for the time of a probe, beside what runs.

    It is probed, and then the present one on the same seeds. Prints which holds longer, and the YAML to keep it; writes
    nothing. Exits 6 when the tried one fails the probe.
    """
    from orchestrator import trial
    from orchestrator.cli import probe_asking as asking
    from orchestrator.cli.progress import waiting
    from orchestrator.core.tryout import Wish
    from orchestrator.edge.lock import held
    from orchestrator.edge.paths import StackPaths
    from orchestrator.edge.probe.probers import ByLaunch
    from orchestrator.edge.run import session
    from orchestrator.edge.stackfile import load

    wish = Wish(tuple(flags or ()), backend, repo, gguf, path, context, kv_dtype, parser, reasoning_parser)
    stack, source = load.written(file)
    paths = StackPaths(load.at(file, stack, source).name)
    _end_as_by_ctrl_c()
    with held(paths.lock, "stack try"):
        session.sweep_tries(paths)
        made = trial.plan(file, stack, model, wish, trial.up(paths), instead=instead, quiet=as_json)
        size = size_of(tier, comparing=made.compared, seed=seed, turns=turns, episodes=episodes)
        _announce(made, paths)
        engine = ByLaunch(made.plan, paths, f"{made.model} (tried)", size)
        tried: asking.Prober = trial.Instead(engine, paths, made.model, waiting) if made.unloads else engine
        present = asking.ByDaemon(paths, made.model, size) if made.compared else None
        asked = asking.ask(tried, present, save or [], quiet=as_json)
    raise typer.Exit(_told(made, asked, as_json))


def _end_as_by_ctrl_c() -> None:
    """`kill` and a terminal that closes let us clean up too."""
    import signal

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def _announce(made: Trial, paths: Any) -> None:
    launch = made.launch
    how = f"{launch.backend} {launch.engine_version}".strip()
    print(f"trying {made.model} on {how}: context {launch.serving.context}", file=sys.stderr)
    for part in launch.memory:
        print(f"  {part.pool}: {part.formula}", file=sys.stderr)
    if not made.compared:
        print(f"  nothing to compare it with: {made.model} does not run in {paths.name}", file=sys.stderr)


def _told(made: Trial, asked: Asked, as_json: bool) -> int:
    """Prints the result; the exit code."""
    import json
    from dataclasses import asdict

    from orchestrator.edge.probe.report import as_json as in_json
    from orchestrator.edge.stackfile.dump import fragment

    told, tried, yaml = asked.told, asked.told.verdict, fragment(made.keep)
    if as_json:
        launch = made.launch
        about: dict[str, Any] = {
            "model": made.model,
            "backend": launch.backend,
            "engine_version": launch.engine_version,
        }
        about |= {"context": launch.serving.context, "instead": made.unloads}
        print(json.dumps(json.loads(in_json(told)) | {"tried": about, "keep": made.keep, "keep_yaml": yaml}))
    else:
        whole = asked.report.compared(asdict(tried), asdict(told.other)) if told.other else None
        print(whole or asked.report.summary(asdict(tried)))
        print(f"\n{'It fails. ' if tried.verdict == 'fail' else ''}To keep it, in stack.yaml:\n\n{yaml}", end="")
    for path in asked.written:
        print(f"report: {path}", file=sys.stderr)
    if tried.verdict == "degraded":
        print(f"warning: the tool path of {tried.model} is degraded", file=sys.stderr)
    if told.cut_short:
        print(f"stack: {told.cut_short}: this is what was seen until then", file=sys.stderr)
        return asked.cut_exit
    return 6 if tried.verdict == "fail" else 0
