"""A user's own command as an engine: its stop command, and the words for one that does not stay in the foreground."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import Mapping
from pathlib import Path

from orchestrator.core.launch import Launch, Process
from orchestrator.edge.run import identity, logs, ports
from orchestrator.edge.run.process import Child

MUST = "it must stay in the foreground"
"""Ends the words about a command that will not do so next time either: it is not started again."""


async def ask_to_end(launch: Launch, child: Child, env: Mapping[str, str], log: Path, cwd: Path, grace: float) -> None:
    """Runs `stop`, where the launch has one, and gives the engine `grace` seconds. The caller ends what still lives.

    What goes wrong with the command is a line of the engine's log.
    """
    if not isinstance(launch.how, Process) or not launch.how.stop or not child.alive():
        return
    name = launch.how.stop[0]
    with logs.appending(log) as out:

        def note(text: str) -> None:
            out.write(f"stack: stop: {name} {text}; SIGTERM follows\n".encode())

        try:
            running = await asyncio.create_subprocess_exec(
                *launch.how.stop, env=dict(env), cwd=cwd, stdin=DEVNULL, stdout=out, stderr=STDOUT
            )
        except OSError as error:
            note(f"cannot be started: {error.strerror}")
            return
        try:
            async with asyncio.timeout(grace):
                if await running.wait():
                    note(f"exited with {running.returncode}")
                    return
                while child.alive():
                    await asyncio.sleep(0.02)
        except TimeoutError:
            note(f"did not end the engine within {grace:g} s")
        finally:
            if running.returncode is None:
                running.kill()
                await running.wait()


def left_behind(stack: str, launch: Launch, exit_code: int | None) -> str:
    """What to add to the words of an engine that ended with 0, if something of it goes on without it; else "".

    Known by the marker that children inherit, or by the port (a container, `sudo`).
    """
    if exit_code != 0 or launch.port is None:
        return ""
    ours = [process for process in identity.find(stack) if process.model == launch.model]
    if ours:
        who = f"pid {ours[0].pid} ({' '.join(ours[0].argv)[:120]})"
    elif not ports.free(launch.port):
        who = ports.holder(launch.port).words
    else:
        return ""
    return f" and left {who} in the background, where it cannot be watched: {MUST}"
