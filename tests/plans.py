"""Plans of fake engines (tests/fakes/engine.py), for tests of what runs them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.core.host import Engine, Host
from orchestrator.core.launch import Container, Launch, Process, Ready, Serving
from orchestrator.core.plan import Plan
from orchestrator.core.spec import Stack
from orchestrator.core.target import Site

SITE = Site(
    stack=("/opt/stack/bin/stack",),
    state="/home/me/.local/state/stack/t",
    states="/home/me/.local/state/stack",
    sockets="/run/user/1000/stack-1000",
    home="/home/me",
    config="/home/me/.config",
    user="me",
    uid=1000,
    gid=1000,
    runtime="/run/user/1000",
    version="1.2.3",
)
"""Of nobody here: what is rendered for it is the same everywhere."""
ENGINE = Path(__file__).parent / "fakes" / "engine.py"


def fake(
    model: str,
    port: int,
    *options: str,
    serving: Serving | None = None,
    timeout: int = 30,
    env: Sequence[tuple[str, str]] = (),
) -> Launch:
    return Launch(
        model=model,
        backend="command",
        served_name=model,
        port=port,
        how=Process((sys.executable, str(ENGINE), "--port", str(port), *options)),
        ready=Ready("/health", timeout),
        serving=serving or Serving(context=8192, concurrency=2, queue=4),
        env=tuple(env),
    )


def contained(launch: Launch, **more: Any) -> Launch:
    """The same fake engine in a container of tests/dockers.py's image. more: of the Container."""
    from tests import dockers

    assert isinstance(launch.how, Process)
    options = launch.how.argv[4:]  # after the interpreter, the program and its --port
    argv = (dockers.PYTHON, "-u", dockers.FAKE, "--host", "0.0.0.0", "--port", "8000", *options)
    return replace(launch, how=Container(dockers.IMAGE, argv, 8000, **more))


def plan_of(
    *launches: Launch, name: str, sets: Sequence[Sequence[str]] | None = None, swap: tuple[str, int] | None = None
) -> Plan:
    """All of them together unless `sets` says otherwise. swap: (llama-swap's executable, its port)."""
    ids = tuple(launch.model for launch in launches)
    stack = Stack.model_validate({"version": 1, "models": {i: {"sources": {"mlx-lm": {"path": "/none"}}} for i in ids}})
    return Plan(
        name=name,
        stack=stack,
        host=Host("linux", "x86_64", 2**34, llama_swap=Engine(swap[0]) if swap else None),
        supervisor="llama-swap" if swap else "embedded",
        launches=launches,
        names={i: i for i in ids},
        default=ids[0],
        sets=tuple(tuple(s) for s in sets) if sets is not None else (ids,),
        evicts={},
        pools=(),
        listen=(("127.0.0.1", 1),),
        swap_port=swap[1] if swap else None,
    )
