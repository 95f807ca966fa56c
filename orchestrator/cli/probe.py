from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import FileOption, JsonOption, UnusedHostOption

if TYPE_CHECKING:
    from orchestrator.cli.probe_report import Report


class TierName(StrEnum):
    QUICK = "quick"
    STANDARD = "standard"


def probe(
    model: Annotated[str | None, typer.Argument(help="A model, alias or role of the stack.")] = None,
    url: Annotated[str | None, typer.Option("--url", help="Probe this server instead: its API root, .../v1.")] = None,
    model_name: Annotated[str | None, typer.Option("--model", help="With --url: the model to ask for.")] = None,
    key_env: Annotated[
        str | None, typer.Option("--key-env", help="With --url: environment variable of its key.")
    ] = None,
    key_file: Annotated[Path | None, typer.Option("--key-file", help="With --url: file that holds its key.")] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="With --url: folder of its weights, for the probe.json in it.")
    ] = None,
    tier: Annotated[TierName, typer.Option(help="quick: the gate of `up`; standard: and a run of 40 turns.")] = (
        TierName.STANDARD
    ),
    seed: Annotated[int | None, typer.Option(help="Another conversation than the usual one.")] = None,
    file: FileOption = Path("stack.yaml"),
    as_json: JsonOption = False,
    host_file: UnusedHostOption = None,
) -> None:
    """Prove that tools work: a scripted conversation over the tool path, and who is to blame if it breaks.

    Exits 6 when the tool path fails; 0 when it passes, and, with a warning, when it is degraded.
    """
    from orchestrator.cli.probe_report import Report
    from orchestrator.errors import UsageError

    name = model or model_name
    if name is None:
        raise UsageError("name a model to probe", mend="stack probe MODEL, or stack probe --url URL --model NAME")
    if model and model_name:
        raise UsageError("the model is named twice", mend="leave --model out")
    if url is None and (model_name or key_env or key_file or weights):
        raise UsageError("--model, --key-env, --key-file and --weights go with --url", mend="stack probe MODEL")
    if key_env and key_file:
        raise UsageError("--key-env and --key-file exclude each other")
    report = Report(quiet=as_json)
    if url is not None:
        verdict = _direct(url, name, _key(key_env, key_file), weights, tier, seed, report)
    else:
        verdict = _by_daemon(file, name, tier, seed, report)
    print(json.dumps(public(verdict), ensure_ascii=False) if as_json else report.summary(verdict))
    if verdict["verdict"] == "degraded":
        print(f"warning: the tool path of {name} is degraded", file=sys.stderr)
    raise typer.Exit(6 if verdict["verdict"] == "fail" else 0)


def public(verdict: dict[str, Any]) -> dict[str, Any]:
    """What --json prints (docs/probe.md)."""
    keys = (
        "model",
        "verdict",
        "turns",
        "clean_turns",
        "first_failure",
        "findings",
        "tier",
        "seconds",
        "bound",
        "skipped",
    )
    return {key: verdict[key] for key in keys}


def _key(env: str | None, file: Path | None) -> str | None:
    from orchestrator.edge import secrets

    if env is not None:
        return secrets.read("env", env, "--key-env")
    return None if file is None else secrets.read("file", str(file), "--key-file")


def _direct(
    url: str, name: str, key: str | None, weights: Path | None, tier: TierName, seed: int | None, report: Report
) -> dict[str, Any]:
    import asyncio
    from dataclasses import asdict

    from orchestrator.edge.probe import runner as probing
    from orchestrator.errors import UsageError

    if weights is not None and not (weights / probing.PARAMETERS_FILE).is_file():
        raise UsageError(f"--weights: there is no {probing.PARAMETERS_FILE} in {weights}", mend="leave --weights out")
    probing.reach(url)
    with report:
        done = probing.probe(
            probing.Target(url, name, key),
            tier,
            seed=seed,
            parameters=probing.read_parameters(weights) if weights is not None else None,
            on_turn=lambda turn: report.turn(asdict(turn)),
        )
        return asdict(asyncio.run(done))


def _by_daemon(file: Path, name: str, tier: TierName, seed: int | None, report: Report) -> dict[str, Any]:
    from orchestrator import pipeline
    from orchestrator.edge.control import client as control
    from orchestrator.edge.paths import StackPaths
    from orchestrator.errors import EngineError

    body = {"model": name, "tier": tier.value, "seed": seed}
    with report:
        for event in control.stream(StackPaths(pipeline.name_of(file)), "POST", "/probe", body):
            data: dict[str, Any] = dict(event.data or {})
            if event.kind == "turn":
                report.turn(data)
            elif event.kind == "done" and "verdict" in data:
                return dict(data["verdict"])
            elif event.kind == "done":
                raise EngineError(str(data.get("error") or event.text), details=tuple(data.get("details") or ()))
            else:
                report.line(event.text)
    raise EngineError("the daemon ended the probe without a verdict", mend="stack logs")
