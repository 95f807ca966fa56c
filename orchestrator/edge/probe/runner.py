"""Runs the probe's dialogue against a server. The scenarios and the judge are pure (core/dialogue/)."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.core.backend import Can
from orchestrator.core.dialogue.ask import Log, Turn
from orchestrator.core.dialogue.conclude import conclude
from orchestrator.core.dialogue.findings import Culprit, Finding, Verdict
from orchestrator.core.dialogue.reports.safe import masked
from orchestrator.core.dialogue.setup import Parameters, Render, Setup
from orchestrator.core.dialogue.tiers import CONTROL, TIERS, Scenario, Tier, dialogue
from orchestrator.core.launch import Launch
from orchestrator.edge.modelfiles.bad_weights import BadWeights
from orchestrator.edge.probe.client import CONNECT_SECONDS, ProbeClient
from orchestrator.edge.run.api import Upstream
from orchestrator.errors import EngineError, UsageError

SEED = 1
"""The default: the same conversation each time, so that a change of verdict is a change of the server."""
PARAMETERS_FILE = "probe.json"


class BudgetExceeded(TimeoutError):
    """The budget ended before the tier did. `partial` is the verdict on what was asked until then."""

    def __init__(self, seconds: float, partial: Verdict) -> None:
        super().__init__(f"the probe took longer than its budget of {seconds:g} s")
        self.partial = partial


@dataclass(frozen=True, slots=True)
class Target:
    """A server to probe. base: API root ending in /v1; model: as the server calls it; key: bearer token or None;
    wire: how its template opens a call (`ToolPath.wire`), "" = unknown; can: None = nothing is known of the engine;
    render: its chat template, for the raw arm, None = not at hand; backend, parser: of the engine, as it was told."""

    base: str
    model: str
    key: str | None = None
    wire: str = ""
    can: Can | None = None
    render: Render | None = None
    backend: str = ""
    parser: str = ""


def target_of(launch: Launch, upstream: Upstream, can: Can | None = None) -> Target:
    """can: what the backend says of this version and parser; of an attached server nothing is known."""
    known = None if launch.backend == "openai" else can
    wire, parser = launch.tools.wire, launch.tools.tool_parser
    return Target(upstream.base, upstream.model, upstream.key, wire, known, backend=launch.backend, parser=parser)


def with_template(target: Target, weights: Path) -> Target:
    """With the chat template beside these weights (a folder or a GGUF): its wire format, and the raw arm. The target as
    it is where there is none. Raises UsageError for a template that cannot be used."""
    from orchestrator.core import families
    from orchestrator.edge.modelfiles import chat_template

    try:
        template = chat_template.read(weights)
        if template is None:
            return target
        family, _ = families.detect(template.text, template.model_type, "")
        wire = target.wire or (family.wire if family else "")
        return replace(target, wire=wire, render=partial(chat_template.prompt, template))
    except (chat_template.BadTemplate, BadWeights, OSError) as error:
        raise UsageError(f"the chat template of {weights} {error}") from None


def parameters_of(launch: Launch) -> Parameters:
    """From `probe.json` beside the weights, if there is one; the number of concurrent requests is the launch's own.

    Raises UsageError when the file cannot be understood."""
    weights = Path(launch.weights) if launch.weights else None
    read = Parameters() if weights is None else read_parameters(weights if weights.is_dir() else weights.parent)
    serving = launch.serving
    return read.limited(serving.concurrency, serving.max_tokens, serving.context)


def read_parameters(folder: Path) -> Parameters:
    """`folder/probe.json` as Parameters; the defaults where there is no such file. Raises UsageError."""
    path = folder / PARAMETERS_FILE
    try:
        return Parameters.of(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Parameters()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: {error}") from None


async def probe(
    target: Target,
    tier: str,
    *,
    seed: int | None = None,
    parameters: Parameters | None = None,
    on_turn: Callable[[Turn], None] | None = None,
    deadline: float | None = None,
    log: Log | None = None,
) -> Verdict:
    """The verdict of a tier ("quick", "standard" or "full") on a server that the caller keeps up meanwhile.

    deadline: seconds for all of it; log: filled on the way, for a caller that may have to break off. Raises
    BudgetExceeded past the deadline, UsageError for a tier that does not exist.
    """
    known: Tier | None = next((name for name in TIERS if name == tier), None)
    if known is None:
        raise UsageError(f"there is no tier {tier!r}", mend=f"tiers: {', '.join(TIERS)}")
    number, size = SEED if seed is None else seed, parameters or Parameters()
    engine = (target.backend, target.parser)
    setup = Setup(target.model, number, target.wire, target.can, size, target.render, *engine)
    log, started = Log() if log is None else log, time.monotonic()
    try:
        async with asyncio.timeout(deadline):
            await _talk(setup, TIERS[known], log, target, on_turn)
    except TimeoutError:
        spent = time.monotonic() - started
        raise BudgetExceeded(deadline or spent, masked(conclude(log, target.model, known, spent), target.key)) from None
    # a server may repeat the key in its errors, which are our evidence
    return masked(conclude(log, target.model, known, time.monotonic() - started), target.key)


async def control_turn(gateway: str, model: str, key: str | None = None) -> tuple[Finding, ...]:
    """One plain call through the gateway, streamed and not, for a model whose engine is proven and on no lease of the
    caller's: whatever is wrong then is the gateway's. Empty = nothing is. gateway: API root; model: a public name."""
    log = Log()
    await _talk(Setup(model, SEED), CONTROL, log, Target(gateway, model, key), None)
    bad = [found for found in log.findings if found.severity != "N"]
    return tuple(masked(replace(found, culprit=Culprit.GATEWAY, scenario="control"), key) for found in bad)


async def _talk(
    setup: Setup,
    scenarios: Sequence[Scenario],
    log: Log,
    target: Target,
    on_turn: Callable[[Turn], None] | None,
) -> None:
    talk, told = dialogue(setup, scenarios, log), 0
    client = ProbeClient(target.base, target.key, setup.parameters.request_seconds)
    batch = next(talk, ())
    while batch:
        replies = await asyncio.gather(*(client.send(ask) for ask in batch))
        try:
            batch = talk.send(replies)
        except StopIteration:
            batch = ()
        for turn in log.turns[told:]:
            if on_turn is not None:
                on_turn(masked(turn, target.key))
        told = len(log.turns)


def reach(url: str) -> None:
    """Whether anything listens there. Raises UsageError for what is no URL, EngineError where nothing does."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is not a URL", mend="as http://127.0.0.1:8000/v1")
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), timeout=CONNECT_SECONDS).close()
    except ValueError as error:
        raise UsageError(f"{url!r} is not a URL: {error}") from None
    except OSError as error:
        raise EngineError(f"nothing listens at {url}: {error}", mend="is the server up?") from None
