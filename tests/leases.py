"""What the tests of supervisors ask of a scheduler: a chat on a lease, the state of a model."""

from __future__ import annotations

import httpx

from orchestrator.edge.run.scheduler import Scheduler


def state(scheduler: Scheduler, model: str) -> str:
    return next(s.state for s in scheduler.states() if s.model == model)


async def chat(scheduler: Scheduler, model: str) -> str:
    upstream = await scheduler.acquire(model)
    try:
        async with httpx.AsyncClient(timeout=30) as client:
            body = {"model": upstream.model, "messages": [{"role": "user", "content": "hello"}]}
            reply = await client.post(f"{upstream.base}/chat/completions", json=body)
            reply.raise_for_status()
            return str(reply.json()["choices"][0]["message"]["content"])
    finally:
        scheduler.release(model)
