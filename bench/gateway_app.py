"""The gateway alone, before a fixed upstream: what the benchmark measures. python bench/gateway_app.py UPSTREAM PORT"""

from __future__ import annotations

import asyncio
import socket
import sys
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from orchestrator.core.launch import Attach, Launch, Ready, Serving
from orchestrator.edge.gateway.gateway import Gateway
from orchestrator.edge.gateway.listener import serve
from orchestrator.edge.run.api import Upstream
from tests.fakes.static_supervisor import StaticSupervisor
from tests.plans import plan_of

KEY = "bench-key"


async def main(upstream: int, port: int) -> None:
    """Keys, metrics and counting are on, and the model's name is rewritten, as for mlx-lm."""
    base = f"http://127.0.0.1:{upstream}/v1"
    launch = Launch("tiny", "openai", "default_model", None, Attach(base), Ready("/"), Serving(8192))
    gateway = Gateway(
        plan_of(launch, name="bench"),
        StaticSupervisor({"tiny": Upstream(base, "default_model")}),
        verdicts=lambda _: "verified",
        findings=lambda _: None,
        keys={"bench": KEY},
        ready=lambda: True,
    )
    listening = socket.create_server(("127.0.0.1", port), backlog=1024)
    await serve(gateway, [listening])
    print(listening.getsockname()[1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
