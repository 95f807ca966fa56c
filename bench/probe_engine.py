"""The fake engine as a process, for as long as it is needed."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from typing import Self

ENGINE = Path(__file__).parents[1] / "tests" / "fakes" / "engine.py"


class FakeEngine:
    """`async with FakeEngine("--fault", "loop") as engine: engine.url`"""

    def __init__(self, *options: str) -> None:
        self.options, self.url = options, ""

    async def __aenter__(self) -> Self:
        command = [sys.executable, str(ENGINE), "--port", "0", *self.options]
        self._process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        line = (await self._process.stdout.readline()).decode()
        found = re.search(r"http://\S+", line)
        if found is None:
            raise RuntimeError(f"the fake engine did not start: {line!r}")
        self.url = f"{found[0]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        await self._process.wait()
